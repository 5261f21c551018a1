#include "target/archive_target.hpp"

#include "support/fake_view.hpp"
#include "support/random_tree.hpp"
#include "support/temp_dir.hpp"
#include "support/tree_listing.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

// Other programs judge the archives: tar, bsdtar, unzip and python3 for zip, bsdtar and xorriso for
// ISO 9660.

using namespace backstay::core;

namespace
{

struct Told {
    std::vector<RestoreProblem> problems;
    std::vector<PlanStep> steps;

    TargetEvents events()
    {
        TargetEvents events;
        events.problem = [this](RestoreProblem problem) { problems.push_back(std::move(problem)); };
        events.plan = [this](const PlanStep& step) { steps.push_back(step); };
        return events;
    }

    std::string all() const
    {
        std::string text;
        for (const RestoreProblem& problem : problems) {
            text += problem.path + ": " + problem.message + "\n";
        }
        return text;
    }

    bool has(const std::string& path, const std::string& part) const
    {
        for (const RestoreProblem& problem : problems) {
            if (problem.path == path && problem.message.find(part) != std::string::npos) {
                return true;
            }
        }
        return false;
    }
};

std::string quoted(const std::string& text)
{
    return "'" + text + "'";
}

/// Exit status of a shell command; its output goes to `output`.
int run(const std::string& command, std::string* output = nullptr)
{
    FILE* pipe = popen(("LC_ALL=C.UTF-8; export LC_ALL; " + command + " 2>&1").c_str(), "re");
    REQUIRE(pipe != nullptr);
    std::string text;
    char buffer[4096];
    std::size_t size = 0;
    while ((size = fread(buffer, 1, sizeof buffer, pipe)) > 0) {
        text.append(buffer, size);
    }
    const int status = pclose(pipe);
    if (status != 0 && output == nullptr) {
        MESSAGE(command, "\n", text);
    }
    if (output != nullptr) {
        *output = text;
    }
    return status;
}

ArchiveTargetOptions to(const std::string& path, ArchiveFormat format)
{
    ArchiveTargetOptions options;
    options.format = format;
    options.path = path;
    return options;
}

/// Writes, verifies and commits.
void make_archive(SnapshotView& view, const ArchiveTargetOptions& options, Told& told)
{
    const auto target = make_archive_target(options);
    target->plan(view, told.events(), {});
    target->run(view, told.events(), {});
    Told verified;
    target->verify(view, verified.events(), {});
    CHECK(verified.all() == "");
    target->commit();
}

Entry plain(std::string path, EntryKind kind = EntryKind::file)
{
    Entry entry;
    entry.path = std::move(path);
    entry.kind = kind;
    entry.mode = kind == EntryKind::directory ? 0755 : 0640;
    entry.user_id = geteuid();
    entry.group_id = getegid();
    entry.modified = Timestamp{1'600'000'000, 123'456'789};
    return entry;
}

Bytes acl()
{
    return {2, 0,  0,    0,    1,    0,    6,    0, 0xff, 0xff, 0xff, 0xff, 2,    0,    4,
            0, 99, 0,    0,    0,    4,    0,    0, 0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,
            4, 0,  0xff, 0xff, 0xff, 0xff, 0x20, 0, 0,    0,    0xff, 0xff, 0xff, 0xff};
}

/// What is not in any archive, and what ordinary users cannot make.
TreeListing without(TreeListing lines, const std::string& kind)
{
    for (auto at = lines.begin(); at != lines.end();) {
        at = at->second.compare(0, kind.size(), kind) == 0 ? lines.erase(at) : std::next(at);
    }
    return lines;
}

} // namespace

TEST_CASE("a random tree comes out of a tar as it went in, by GNU tar and by bsdtar")
{
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        CAPTURE(seed);
        const bool zstd = seed % 2 == 0;
        // As an ordinary user, GNU tar cannot set the xattrs of files that it made read-only.
        const bool gnu = seed <= 2 && geteuid() == 0;
        const TempDir dir;
        // bsdtar reads and writes fractions before 1970 in a way of its own.
        const RandomTree tree(seed, 80,
                              gnu ? RandomTree::Times::any : RandomTree::Times::since_1970);
        FakeView view;
        tree.fill(view);
        Told told;
        make_archive(view, to(dir / "tree.tar", zstd ? ArchiveFormat::tar_zst : ArchiveFormat::tar),
                     told);
        for (const RestoreProblem& problem : told.problems) {
            CHECK(tree.made().at(problem.path).entry.kind == EntryKind::socket);
        }
        mkdir((dir / "out").c_str(), 0755);
        const std::string program = gnu ? "tar --xattrs --xattrs-include='*' --numeric-owner "
                                          "--warning=no-unknown-keyword --delay-directory-restore"
                                        : "bsdtar --xattrs --numeric-owner";
        CHECK(run(program + " -xpf " + quoted(dir / "tree.tar") + " -C " + quoted(dir / "out")) ==
              0);
        const TreeListing wanted = without(tree.expected(), "socket");
        const TreeListing got = list_tree(dir / "out");
        for (const auto& item : wanted) {
            const std::string& path = item.first;
            const auto& line = item.second;
            CAPTURE(path);
            REQUIRE(got.count(path) == 1);
            CHECK(got.at(path) == line);
        }
        CHECK(got.size() == wanted.size());
    }
}

TEST_CASE("ACLs, capabilities, devices and nanoseconds live in a tar")
{
    const TempDir dir;
    if (geteuid() != 0) {
        MESSAGE("not root: nothing tested");
        return;
    }
    FakeView view;
    Entry file = plain("acl");
    file.xattrs = {{"system.posix_acl_access", acl()}, {"user.x", {0, 1, 255}}};
    view.add(file, "bytes");
    Entry device = plain("device", EntryKind::character_device);
    device.device = (5ULL << 32U) | 77;
    view.add(device);
    Entry program = plain("program");
    program.xattrs = {
        {"security.capability", {1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}};
    view.add(program, "bytes");
    Told told;
    make_archive(view, to(dir / "x.tar", ArchiveFormat::tar), told);
    CHECK(told.all() == "");
    for (const std::string tar : {"tar --xattrs --xattrs-include='*' --acls --numeric-owner",
                                  "bsdtar --acls --xattrs --numeric-owner"}) {
        CAPTURE(tar);
        CHECK(run("mkdir " + quoted(dir / "out") + " && " + tar + " -xpf " + quoted(dir / "x.tar") +
                  " -C " + quoted(dir / "out")) == 0);
        const TreeListing got = list_tree(dir / "out");
        CHECK(got.at("acl") == expected_line(file, "bytes", ""));
        CHECK(got.at("device") == expected_line(device, "", ""));
        CHECK(got.at("program") == expected_line(program, "bytes", ""));
        CHECK(run("rm -r " + quoted(dir / "out")) == 0);
    }
}

TEST_CASE("holes of many gigabytes take no room in a tar")
{
    const TempDir dir;
    FakeView view;
    constexpr std::uint64_t size = 9ULL * 1024 * 1024 * 1024;
    view.add_sparse(plain("large"), size, {{5'000'000'000, "in the middle"}});
    view.add(plain("z-after"), "comes behind it");
    Told told;
    const auto target = make_archive_target(to(dir / "x.tar", ArchiveFormat::tar));
    target->run(view, told.events(), {});
    target->commit();
    struct stat status {
    };
    REQUIRE(stat((dir / "x.tar").c_str(), &status) == 0);
    CHECK(status.st_size < 100'000);
    CHECK(run("mkdir " + quoted(dir / "out") + " && tar -xf " + quoted(dir / "x.tar") + " -C " +
              quoted(dir / "out")) == 0);
    REQUIRE(stat((dir / "out/large").c_str(), &status) == 0);
    CHECK(static_cast<std::uint64_t>(status.st_size) == size);
    const int fd = open((dir / "out/large").c_str(), O_RDONLY);
    char middle[13];
    CHECK(pread(fd, middle, sizeof middle, 5'000'000'000) == 13);
    close(fd);
    CHECK(std::string(middle, 13) == "in the middle");
    CHECK(read_file(dir / "out/z-after") == "comes behind it");
}

TEST_CASE("a zip holds files, folders and symlinks, and says what it does not")
{
    const TempDir dir;
    FakeView view;
    view.add(plain("device", EntryKind::character_device));
    view.add(plain("fifo", EntryKind::fifo));
    view.add(plain("folder", EntryKind::directory));
    view.add(plain("folder/\xc3\xbcmlaut"), std::string(100'000, 'x'));
    Entry named = plain("folder/one");
    named.link = LinkIdentity{1, 1};
    view.add(named, "two names");
    named.path = "folder/two";
    view.add(named, "two names");
    Entry xattrs = plain("folder/xattrs");
    xattrs.xattrs = {{"user.x", {1}}};
    view.add(xattrs, "x");
    Entry link = plain("link", EntryKind::symlink);
    link.link_target = "folder/one";
    view.add(link);
    view.add(plain("socket", EntryKind::socket));
    Told told;
    make_archive(view, to(dir / "x.zip", ArchiveFormat::zip), told);
    CHECK(told.problems.size() == 4);
    CHECK(told.has("device", "cannot hold"));
    CHECK(told.has("fifo", "cannot hold"));
    CHECK(told.has("socket", "cannot hold"));
    CHECK(told.has("folder/xattrs", "extended attributes"));
    CHECK(run("unzip -tq " + quoted(dir / "x.zip")) == 0);
    std::string names;
    CHECK(run("python3 -c 'import sys,zipfile; "
              "print(sorted(zipfile.ZipFile(sys.argv[1]).namelist()))' " +
                  quoted(dir / "x.zip"),
              &names) == 0);
    CHECK(names == "['folder/', 'folder/one', 'folder/two', 'folder/xattrs', "
                   "'folder/\xc3\xbcmlaut', 'link']\n");
    CHECK(run("unzip -q " + quoted(dir / "x.zip") + " -d " + quoted(dir / "out")) == 0);
    CHECK(read_file(dir / "out/folder/two") == "two names");
    CHECK(read_file(dir / "out/folder/\xc3\xbcmlaut") == std::string(100'000, 'x'));
    struct stat status {
    };
    REQUIRE(lstat((dir / "out/link").c_str(), &status) == 0);
    CHECK(S_ISLNK(status.st_mode));
    REQUIRE(lstat((dir / "out/folder/one").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0640);
    CHECK(status.st_mtim.tv_sec == 1'600'000'000);
}

TEST_CASE("names that are not UTF-8 are renamed in a zip, told, and never meet another name")
{
    const TempDir dir;
    FakeView view;
    view.add(plain("caf%E9"), "literally");
    view.add(plain("caf\xe9"), "latin");
    view.add(plain("dir\xff", EntryKind::directory));
    view.add(plain("dir\xff/inside"), "inside");
    view.add(plain("dir\xff/in\xfe"), "both");
    Told told;
    make_archive(view, to(dir / "x.zip", ArchiveFormat::zip), told);
    CHECK(told.problems.size() == 3);
    CHECK(told.has("caf\xe9", "caf%E9~2"));
    CHECK(told.has("dir\xff", "dir%FF"));
    CHECK(told.has("dir\xff/in\xfe", "dir%FF/in%FE"));
    CHECK(run("unzip -q " + quoted(dir / "x.zip") + " -d " + quoted(dir / "out")) == 0);
    CHECK(read_file(dir / "out/caf%E9") == "literally");
    CHECK(read_file(dir / "out/caf%E9~2") == "latin");
    CHECK(read_file(dir / "out/dir%FF/inside") == "inside");
    CHECK(read_file(dir / "out/dir%FF/in%FE") == "both");
}

TEST_CASE("an ISO 9660 image holds trees with modes, owners, links and long names")
{
    const TempDir dir;
    FakeView view;
    view.add(plain("caf\xe9"), "latin");
    std::string path;
    for (int depth = 0; depth < 10; ++depth) { // deeper than ISO 9660 itself allows
        path += (path.empty() ? "deep" : "/deep") + std::to_string(depth);
        view.add(plain(path, EntryKind::directory));
    }
    view.add(plain(path + "/file"), "at the bottom");
    Entry first = plain("first");
    first.link = LinkIdentity{2, 3};
    first.mode = 04755;
    first.user_id = 1234;
    view.add(first, "two names");
    first.path = "second";
    view.add(first, "two names");
    Entry link = plain("link", EntryKind::symlink);
    link.link_target = "deep0/deep1";
    view.add(link);
    const std::string long_name = "a long name with blanks " + std::string(150, 'n');
    view.add(plain(long_name), std::string(70'000, 'x'));
    view.add(plain("fifo", EntryKind::fifo));
    Told told;
    make_archive(view, to(dir / "x.iso", ArchiveFormat::iso9660), told);
    CHECK(told.problems.size() == 1);
    CHECK(told.has("caf\xe9", "caf%E9"));

    CHECK(run("mkdir " + quoted(dir / "out") + " && bsdtar --numeric-owner -xpf " +
              quoted(dir / "x.iso") + " -C " + quoted(dir / "out")) == 0);
    CHECK(read_file(dir / ("out/" + path + "/file")) == "at the bottom");
    CHECK(read_file(dir / ("out/" + long_name)) == std::string(70'000, 'x'));
    CHECK(read_file(dir / "out/caf%E9") == "latin");
    struct stat one {
    };
    struct stat two {
    };
    REQUIRE(lstat((dir / "out/first").c_str(), &one) == 0);
    REQUIRE(lstat((dir / "out/second").c_str(), &two) == 0);
    CHECK(one.st_ino == two.st_ino);
    if (geteuid() == 0) {
        CHECK(one.st_uid == 1234);
        CHECK((one.st_mode & 07777) == 04755);
    }
    CHECK(one.st_mtim.tv_sec == 1'600'000'000);
    REQUIRE(lstat((dir / "out/fifo").c_str(), &one) == 0);
    CHECK(S_ISFIFO(one.st_mode));

    CHECK(run("xorriso -osirrox on -indev " + quoted(dir / "x.iso") + " -extract / " +
              quoted(dir / "xorriso")) == 0);
    CHECK(read_file(dir / ("xorriso/" + long_name)) == std::string(70'000, 'x'));
    CHECK(read_file(dir / ("xorriso/" + path + "/file")) == "at the bottom");
}

TEST_CASE("an archive appears whole or not at all, and over nothing that is there")
{
    const TempDir dir;
    FakeView view;
    view.add_file("file", "bytes");
    Told told;
    const auto names = [&] {
        std::string text;
        for (const auto& [path, line] : list_tree(dir.path())) {
            text += path + " ";
        }
        return text;
    };
    {
        const auto target = make_archive_target(to(dir / "x.tar", ArchiveFormat::tar));
        target->run(view, told.events(), {});
        CHECK(names().find("x.tar.partial-") == 0);
        target->abandon();
        CHECK(names() == "");
        target->run(view, told.events(), {});
    }
    CHECK(names() == "");

    write_file(dir / "x.tar", "precious");
    const auto target = make_archive_target(to(dir / "x.tar", ArchiveFormat::tar));
    target->plan(view, told.events(), {});
    REQUIRE(told.steps.size() == 1);
    CHECK(told.steps[0].kind == PlanStep::Kind::conflict);
    CHECK_THROWS_AS(target->run(view, told.events(), {}), Error);
    unlink((dir / "x.tar").c_str());
    target->run(view, told.events(), {});
    write_file(dir / "x.tar", "came meanwhile");
    CHECK_THROWS_AS(target->commit(), Error);
    CHECK(read_file(dir / "x.tar") == "came meanwhile");
    target->abandon();
    CHECK(names() == "x.tar ");

    ArchiveTargetOptions options = to(dir / "x.tar", ArchiveFormat::tar);
    options.overwrite = true;
    make_archive(view, options, told);
    CHECK(names() == "x.tar ");
    CHECK(run("tar -tf " + quoted(dir / "x.tar")) == 0);
}

TEST_CASE("damage in a small file leaves it out, in a large one ends the archive")
{
    const TempDir dir;
    FakeView view;
    view.add_file("a-good", "good");
    view.add_folder("folder");
    view.add_file("folder/lost", "x");
    view.add_file("small", "small but lost");
    view.damage_stream("small", 3);
    view.damage_folder("folder");
    Told told;
    make_archive(view, to(dir / "x.tar", ArchiveFormat::tar), told);
    CHECK(told.problems.size() == 2);
    CHECK(told.problems[0].code == ErrorCode::damaged);
    std::string names;
    CHECK(run("tar -tf " + quoted(dir / "x.tar"), &names) == 0);
    CHECK(names == "a-good\nfolder/\n");

    view.add_file("large", std::string(10'000'000, 'x'));
    view.damage_stream("large", 9'000'000);
    const auto target = make_archive_target(to(dir / "y.tar", ArchiveFormat::tar));
    try {
        target->run(view, told.events(), {});
        FAIL("it has a hole");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::damaged);
        CHECK(error.subject() == "large");
    }
}

TEST_CASE("an archive goes down a pipe, and a reader that goes away is an error")
{
    const TempDir dir;
    FakeView view;
    view.add_file("file", std::string(3'000'000, 'x'));
    Told told;
    for (const ArchiveFormat format :
         {ArchiveFormat::tar, ArchiveFormat::tar_zst, ArchiveFormat::zip, ArchiveFormat::iso9660}) {
        CAPTURE(static_cast<int>(format));
        FILE* reader = popen(("cat > " + quoted(dir / "out")).c_str(), "we");
        ArchiveTargetOptions options;
        options.format = format;
        options.descriptor = fileno(reader);
        make_archive_target(options)->run(view, told.events(), {});
        pclose(reader);
        std::string bytes;
        CHECK(run("bsdtar -xOf " + quoted(dir / "out") + " file", &bytes) == 0);
        CHECK((bytes == std::string(3'000'000, 'x')));
    }
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    close(ends[0]);
    ArchiveTargetOptions options;
    options.descriptor = ends[1];
    try {
        make_archive_target(options)->run(view, told.events(), {});
        FAIL("nobody reads it");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::target);
        CHECK(std::string(error.what()).find("gone") != std::string::npos);
    }
    close(ends[1]);
}

TEST_CASE("verifying an archive finds a byte that was changed")
{
    const TempDir dir;
    FakeView view;
    view.add_file("file", std::string(10'000, 'x'));
    for (const ArchiveFormat format :
         {ArchiveFormat::tar, ArchiveFormat::zip, ArchiveFormat::iso9660}) {
        CAPTURE(static_cast<int>(format));
        const int fd = open((dir / "out").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
        ArchiveTargetOptions options;
        options.format = format;
        options.descriptor = fd;
        const auto target = make_archive_target(options);
        Told told;
        target->run(view, told.events(), {});
        target->verify(view, told.events(), {});
        CHECK(told.all() == "");
        FakeView other;
        other.add_file("file", std::string(9'999, 'x') + "y");
        other.add_file("more", "");
        target->verify(other, told.events(), {});
        CHECK(told.problems.size() == 1);
        close(fd);
    }
}
