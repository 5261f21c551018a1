#include "source/archive_source.hpp"

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
