#include "source/archive_source.hpp"

#include "format/file_flags.hpp"
#include "format/posix_acl.hpp"
#include "support/temp_dir.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <doctest/doctest.h>
#include <functional>
#include <map>
#include <memory>
#include <sys/stat.h>

using namespace backstay::core;

namespace
{

struct Given {
    Entry entry;
    std::string bytes;
};

struct Read {
    std::map<std::string, Given> entries;
    std::vector<Problem> problems;
    SourceVerdict verdict;
};

Read read_archive(const std::string& path)
{
    Read read;
    const auto source = make_archive_source(path);
    source->open(nullptr, [&read](Problem problem) { read.problems.push_back(std::move(problem)); },
                 {});
    Bytes buffer(1000);
    while (auto next = source->next(0)) {
        Given given;
        if (next->entry.kind == EntryKind::file) {
            while (const std::size_t got =
                       source->read(0, next->item, given.bytes.size(), buffer)) {
                given.bytes.append(reinterpret_cast<const char*>(buffer.data()), got);
            }
        }
        source->release(0, next->item);
        given.entry = next->entry;
        read.entries[next->entry.path] = given;
    }
    read.verdict = source->finish();
    source->settle(true);
    return read;
}

/// Writes archives that no well-meaning program would.
class Maker
{
public:
    Maker(std::string path, const std::function<int(archive*)>& set_format)
        : path_(std::move(path)), archive_(archive_write_new())
    {
        REQUIRE(set_format(archive_) == ARCHIVE_OK);
        archive_write_add_filter_none(archive_);
        REQUIRE(archive_write_open_filename(archive_, path_.c_str()) == ARCHIVE_OK);
    }
    ~Maker() { archive_write_free(archive_); }
    Maker(const Maker&) = delete;
    Maker& operator=(const Maker&) = delete;

    using Edit = std::function<void(archive_entry*)>;
    Maker& file(const char* name, const std::string& bytes, const Edit& edit = {})
    {
        const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(),
                                                                             archive_entry_free);
        archive_entry_set_pathname(entry.get(), name);
        archive_entry_set_filetype(entry.get(), AE_IFREG);
        archive_entry_set_perm(entry.get(), 0640);
        archive_entry_set_mtime(entry.get(), 1000, 5);
        archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes.size()));
        if (edit) {
            edit(entry.get());
        }
        REQUIRE(archive_write_header(archive_, entry.get()) >= ARCHIVE_WARN);
        archive_write_data(archive_, bytes.data(), bytes.size());
        return *this;
    }
    std::string done()
    {
        REQUIRE(archive_write_close(archive_) == ARCHIVE_OK);
        return path_;
    }

private:
    std::string path_;
    archive* archive_;
};

Maker::Edit hard_link_to(const char* first)
{
    return [first](archive_entry* entry) { archive_entry_set_hardlink(entry, first); };
}

struct GivenAclLine {
    int tag;
    int rights;
    int id = -1;
    const char* name = nullptr;
};

Maker::Edit with_acl(int type, std::vector<GivenAclLine> lines)
{
    return [type, lines = std::move(lines)](archive_entry* entry) {
        for (const GivenAclLine& line : lines) {
            REQUIRE(archive_entry_acl_add_entry(entry, type, line.rights, line.tag, line.id,
                                                line.name) == ARCHIVE_OK);
        }
    };
}

/// "tag:rights:id" of each line of an attribute, tags as the kernel's numbers; "" without it.
std::string acl_of(const Entry& entry, const std::string& name)
{
    std::string text;
    for (const Xattr& xattr : entry.xattrs) {
        if (xattr.name != name) {
            continue;
        }
        const auto lines = decode_posix_acl(xattr.value);
        REQUIRE(lines);
        for (const AclLine& line : *lines) {
            text += (text.empty() ? "" : " ") + std::to_string(static_cast<int>(line.tag)) + ":" +
                    std::to_string(line.rights) +
                    (line.id != AclLine::no_id ? ":" + std::to_string(line.id) : "");
        }
    }
    return text;
}

Maker::Edit of_inode(int inode, unsigned links)
{
    return [inode, links](archive_entry* entry) {
        archive_entry_set_ino64(entry, inode);
        archive_entry_set_dev(entry, 7);
        archive_entry_set_nlink(entry, links);
    };
}

} // namespace

TEST_CASE("entries of an archive come with their bytes and attributes")
{
    const TempDir temp;
    const std::string bytes(5000, 'x');
    const Read read =
        read_archive(Maker(temp / "a.tar", archive_write_set_format_pax)
                         .file("./folder", "",
                               [](archive_entry* entry) {
                                   archive_entry_set_filetype(entry, AE_IFDIR);
                                   archive_entry_set_size(entry, 0);
                               })
                         .file("folder/file", bytes,
                               [](archive_entry* entry) {
                                   archive_entry_set_uid(entry, 12);
                                   archive_entry_set_uname(entry, "someone");
                                   archive_entry_xattr_add_entry(entry, "user.x", "v", 1);
                                   archive_entry_set_mtime(entry, -2, 500'000'000);
                               })
                         .file("link", "",
                               [](archive_entry* entry) {
                                   archive_entry_set_filetype(entry, AE_IFLNK);
                                   archive_entry_set_symlink(entry, "/etc/passwd");
                               })
                         .file("not\xffutf8\n", "y")
                         .file("...", "dots")
                         .done());
    CHECK(read.verdict.kind == SourceVerdict::Kind::ok);
    CHECK(read.problems.empty());
    CHECK(read.entries.at("folder").entry.kind == EntryKind::directory);
    const Given& file = read.entries.at("folder/file");
    CHECK(file.bytes == bytes);
    CHECK(file.entry.mode == 0640U);
    CHECK(file.entry.user_id == 12U);
    CHECK(file.entry.user == "someone");
    CHECK(file.entry.xattrs == std::vector<Xattr>{{"user.x", {'v'}}});
    CHECK(read.entries.at("link").entry.link_target == "/etc/passwd");
    CHECK(read.entries.at("not\xffutf8\n").bytes == "y");
    CHECK(read.entries.at("...").bytes == "dots");
}

TEST_CASE("file flags of an archive are kept")
{
    const TempDir dir;
    Maker maker(dir / "flags.tar", archive_write_set_format_pax);
    maker.file("flagged", "x", [](archive_entry* entry) {
        archive_entry_copy_fflags_text(entry, "nodump,noatime");
    });
    maker.file("plain", "x");
    const Read read = read_archive(maker.done());
    CHECK(read.entries.at("flagged").entry.file_flags == nodump_flag + 0x80);
    CHECK_FALSE(read.entries.at("plain").entry.file_flags);
}

TEST_CASE("names that lead out of an archive are listed and left out, absolute ones made relative")
{
    const TempDir temp;
    const Read read = read_archive(Maker(temp / "a.tar", archive_write_set_format_gnutar)
                                       .file("../outside", "1")
                                       .file("in/../../outside", "2")
                                       .file("/etc/absolute", "3")
                                       .file("plain", "4")
                                       .file("to-nowhere", "", hard_link_to("../../x"))
                                       .done());
    CHECK(read.entries.size() == 2);
    CHECK(read.entries.at("etc/absolute").bytes == "3");
    CHECK(read.entries.at("plain").bytes == "4");
    CHECK(read.problems.size() == 3);
}

TEST_CASE("a hard link names what came before it, and is listed if nothing did")
{
    const TempDir temp;
    const Read read = read_archive(Maker(temp / "a.tar", archive_write_set_format_pax)
                                       .file("early", "", hard_link_to("first"))
                                       .file("first", "bytes")
                                       .file("second", "", hard_link_to("./first"))
                                       .done());
    CHECK(read.entries.at("first").bytes == "bytes");
    CHECK(read.entries.at("second").entry.kind == EntryKind::hard_link);
    CHECK(read.entries.at("second").entry.link_target == "first");
    REQUIRE(read.problems.size() == 1);
    CHECK(read.problems.front().path == "early");
}

TEST_CASE("names of one file keep its bytes though they come with the last of them")
{
    const TempDir temp;
    const Read read = read_archive(Maker(temp / "a.cpio", archive_write_set_format_cpio_newc)
                                       .file("one", "", of_inode(5, 3))
                                       .file("two", "", of_inode(5, 3))
                                       .file("other", "own", of_inode(6, 1))
                                       .file("three", "bytes", of_inode(5, 3))
                                       .file("empty", "", of_inode(8, 2))
                                       .done());
    CHECK(read.verdict.kind == SourceVerdict::Kind::ok);
    CHECK(read.problems.empty());
    CHECK(read.entries.at("one").bytes == "bytes");
    CHECK(read.entries.at("one").entry.kind == EntryKind::file);
    for (const char* name : {"two", "three"}) {
        CHECK(read.entries.at(name).entry.kind == EntryKind::hard_link);
        CHECK(read.entries.at(name).entry.link_target == "one");
    }
    CHECK(read.entries.at("other").bytes == "own");
    REQUIRE(read.entries.count("empty") == 1);
    CHECK(read.entries.at("empty").bytes.empty());
}

TEST_CASE("a file cannot make itself an archive of this machine's files")
{
    const TempDir temp;
    write_file(temp / "secret", "secret");
    write_file(temp / "a.tar", "#mtree\n./stolen type=file contents=" + (temp / "secret") + "\n");
    CHECK_THROWS_AS(read_archive(temp / "a.tar"), Error);
}

TEST_CASE("what is no archive, or not there, is an error that names it")
{
    const TempDir temp;
    write_file(temp / "text", std::string(3000, 't'));
    for (const std::string& path : {temp / "missing", temp / "text", temp.path()}) {
        CAPTURE(path);
        try {
            read_archive(path);
            FAIL_CHECK("it was read");
        } catch (const Error& error) {
            CHECK(error.subject() == path);
        }
    }
}

TEST_CASE("an archive that is cut short anywhere is never taken for whole")
{
    const TempDir temp;
    const std::string whole = read_file(Maker(temp / "a.cpio", archive_write_set_format_cpio_newc)
                                            .file("a", std::string(700, 'a'))
                                            .file("b", std::string(900, 'b'))
                                            .done());
    const std::size_t used = whole.find("TRAILER!!!");
    REQUIRE(used != std::string::npos);
    for (std::size_t size = 600; size + 120 < used; size += 37) {
        CAPTURE(size);
        write_file(temp / "cut", whole.substr(0, size));
        CHECK_THROWS_AS(read_archive(temp / "cut"), Error);
    }
}

TEST_CASE("an archive that was not given to its end is not whole")
{
    const TempDir temp;
    const auto source = make_archive_source(
        Maker(temp / "a.tar", archive_write_set_format_pax).file("a", "1").file("b", "2").done());
    source->open(nullptr, [](const Problem&) {}, {});
    const auto entry = source->next(0);
    REQUIRE(entry);
    Bytes buffer(10);
    CHECK_THROWS_AS(source->read(0, entry->item, 1, buffer), Error); // only in order
    CHECK(source->finish().kind == SourceVerdict::Kind::failed);
    source->settle(false);
}

TEST_CASE("access lists of an archive become extended attributes as the kernel wants them")
{
    const TempDir temp;
    const int access = ARCHIVE_ENTRY_ACL_TYPE_ACCESS;
    const Read read =
        read_archive(Maker(temp / "a.tar", archive_write_set_format_pax)
                         .file("plain", "")
                         .file("listed", "x",
                               with_acl(access, {{ARCHIVE_ENTRY_ACL_USER_OBJ, 6},
                                                 {ARCHIVE_ENTRY_ACL_USER, 7, 4321, "nobody here"},
                                                 {ARCHIVE_ENTRY_ACL_USER, 4, 17},
                                                 {ARCHIVE_ENTRY_ACL_GROUP_OBJ, 0},
                                                 {ARCHIVE_ENTRY_ACL_GROUP, 1, 4'000'000},
                                                 {ARCHIVE_ENTRY_ACL_MASK, 5},
                                                 {ARCHIVE_ENTRY_ACL_OTHER, 4}}))
                         .file("no mask", "x", with_acl(access, {{ARCHIVE_ENTRY_ACL_USER, 2, 17}}))
                         .file("by name", "x",
                               with_acl(access, {{ARCHIVE_ENTRY_ACL_USER, 7, -1, "root"},
                                                 {ARCHIVE_ENTRY_ACL_MASK, 7}}))
                         .file("folder", "",
                               [](archive_entry* entry) {
                                   archive_entry_set_filetype(entry, AE_IFDIR);
                                   with_acl(ARCHIVE_ENTRY_ACL_TYPE_DEFAULT,
                                            {{ARCHIVE_ENTRY_ACL_USER_OBJ, 7},
                                             {ARCHIVE_ENTRY_ACL_GROUP_OBJ, 5},
                                             {ARCHIVE_ENTRY_ACL_OTHER, 0}})(entry);
                               })
                         .done());
    CHECK(read.problems.empty());
    CHECK(read.entries.at("plain").entry.xattrs.empty());
    const Entry& listed = read.entries.at("listed").entry;
    CHECK(acl_of(listed, access_acl_name) == "1:6 2:4:17 2:7:4321 4:0 8:1:4000000 16:5 32:4");
    CHECK(listed.mode == 0654); // the group's rights are the mask
    const Entry& no_mask = read.entries.at("no mask").entry;
    CHECK(acl_of(no_mask, access_acl_name) == "1:6 2:2:17 4:4 16:6 32:0");
    CHECK(no_mask.mode == 0660);
    CHECK(acl_of(read.entries.at("by name").entry, access_acl_name) == "1:6 2:7:0 4:4 16:7 32:0");
    const Entry& folder = read.entries.at("folder").entry;
    CHECK(acl_of(folder, default_acl_name) == "1:7 4:5 32:0");
    CHECK(acl_of(folder, access_acl_name).empty());
}

TEST_CASE("what an archive's access list says and cannot be kept is told")
{
    const TempDir temp;
    const Read read = read_archive(
        Maker(temp / "a.tar", archive_write_set_format_pax)
            .file("unknown", "x",
                  with_acl(ARCHIVE_ENTRY_ACL_TYPE_ACCESS,
                           {{ARCHIVE_ENTRY_ACL_USER, 7, -1, "no such user"},
                            {ARCHIVE_ENTRY_ACL_USER, 5, 99},
                            {ARCHIVE_ENTRY_ACL_MASK, 7}}))
            .file("nfs4", "x",
                  with_acl(ARCHIVE_ENTRY_ACL_TYPE_ALLOW,
                           {{ARCHIVE_ENTRY_ACL_EVERYONE, ARCHIVE_ENTRY_ACL_READ_DATA}}))
            .done());
    REQUIRE(read.problems.size() == 2);
    CHECK(read.problems[0].path == "unknown");
    CHECK(read.problems[0].message.find("no such user") != std::string::npos);
    CHECK(acl_of(read.entries.at("unknown").entry, access_acl_name) == "1:6 2:5:99 4:4 16:7 32:0");
    CHECK(read.problems[1].path == "nfs4");
    CHECK(read.problems[1].message.find("NFSv4") != std::string::npos);
}
