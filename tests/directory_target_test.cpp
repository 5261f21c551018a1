#include "target/directory_target.hpp"

#include "base/file.hpp"
#include "support/fake_view.hpp"
#include "support/random_tree.hpp"
#include "support/temp_dir.hpp"
#include "support/tree_listing.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <functional>
#include <grp.h>
#include <linux/fs.h>
#include <mutex>
#include <random>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace backstay::core;

namespace
{

/// What a target told.
struct Told {
    std::mutex mutex;
    std::vector<PlanStep> steps;
    std::vector<RestoreProblem> problems;
    std::uint64_t entries = 0;
    std::uint64_t written = 0;
    std::uint64_t reused = 0;

    TargetEvents events()
    {
        TargetEvents events;
        events.plan = [this](const PlanStep& step) {
            const std::lock_guard lock(mutex);
            steps.push_back(step);
        };
        events.problem = [this](RestoreProblem problem) {
            const std::lock_guard lock(mutex);
            problems.push_back(std::move(problem));
        };
        events.progress = [this](std::uint64_t e, std::uint64_t w, std::uint64_t r) {
            const std::lock_guard lock(mutex);
            entries += e;
            written += w;
            reused += r;
        };
        return events;
    }

    std::string step_for(const std::string& path) const
    {
        for (const PlanStep& step : steps) {
            if (step.path == path) {
                return (step.kind == PlanStep::Kind::conflict ? "conflict " : "") + step.action;
            }
        }
        return "";
    }

    std::string all_problems() const
    {
        std::string text;
        for (const RestoreProblem& problem : problems) {
            text += problem.path + ": " + problem.message + "\n";
        }
        return text;
    }
};

struct OpenFile {
    Entry entry;
    std::shared_ptr<DirectoryTarget::File> file;
};

bool equals_existing(DirectoryTarget& target, SnapshotView& view, const OpenFile& open,
                     std::uint64_t existing)
{
    const auto stream = view.open_stream(open.entry);
    if (existing != stream->size()) {
        return false;
    }
    Bytes wanted(existing);
    Bytes there(existing);
    stream->read_at(0, wanted, {});
    return target.read_existing(*open.file, 0, there) == existing && there == wanted;
}

/// Begins everything; keeps what is equal, gives the rest.
std::vector<OpenFile> begin_all(SnapshotView& view, DirectoryTarget& target)
{
    std::vector<OpenFile> files;
    const auto cursor = view.walk("", SnapshotView::Depth::all_levels);
    while (auto entry = cursor->next()) {
        const auto begun = target.begin(*entry);
        if (!begun.file) {
            continue;
        }
        const OpenFile open{*entry, begun.file};
        if (begun.existing != 0 && equals_existing(target, view, open, begun.existing)) {
            target.keep(begun.file);
        } else {
            files.push_back(open);
        }
    }
    return files;
}

void write_data(SnapshotView& view, DirectoryTarget& target, const OpenFile& open)
{
    const auto stream = view.open_stream(open.entry);
    for (auto extent = stream->next_data(0); extent; extent = stream->next_data(extent->end)) {
        Bytes bytes(extent->end - extent->begin);
        stream->read_at(extent->begin, bytes, {});
        target.write(*open.file, extent->begin, bytes);
    }
}

void restore(SnapshotView& view, DirectoryTarget& target)
{
    for (const OpenFile& open : begin_all(view, target)) {
        write_data(view, target, open);
        target.finish(open.file, DirectoryTarget::Wholeness::whole);
    }
    target.finish_folders({});
}

void restore(SnapshotView& view, DirectoryTargetOptions options, Told& told)
{
    DirectoryTarget target(std::move(options), told.events());
    restore(view, target);
}

/// Every piece of every file in any order, from two threads; files are finished by whoever writes
/// their last piece.
void restore_shuffled(SnapshotView& view, DirectoryTarget& target, std::uint64_t seed)
{
    struct Job {
        std::size_t file;
        std::uint64_t begin;
        std::uint64_t end;
    };
    const std::vector<OpenFile> files = begin_all(view, target);
    std::vector<Job> jobs;
    std::vector<std::atomic<int>> left(files.size());
    for (std::size_t at = 0; at < files.size(); ++at) {
        const auto stream = view.open_stream(files[at].entry);
        for (auto extent = stream->next_data(0); extent; extent = stream->next_data(extent->end)) {
            const std::uint64_t middle = (extent->begin + extent->end) / 2;
            jobs.push_back({at, extent->begin, middle});
            jobs.push_back({at, middle, extent->end});
            left[at] += 2;
        }
        if (left[at] == 0) {
            jobs.push_back({at, 0, 0});
            left[at] = 1;
        }
    }
    std::shuffle(jobs.begin(), jobs.end(), std::mt19937_64(seed));
    std::atomic<std::size_t> next = 0;
    const auto work = [&] {
        for (std::size_t at = next++; at < jobs.size(); at = next++) {
            const Job& job = jobs[at];
            const OpenFile& open = files[job.file];
            Bytes bytes(job.end - job.begin);
            view.open_stream(open.entry)->read_at(job.begin, bytes, {});
            target.write(*open.file, job.begin, bytes);
            if (--left[job.file] == 0) {
                target.finish(open.file, DirectoryTarget::Wholeness::whole);
            }
        }
    };
    std::thread other(work);
    work();
    other.join();
    target.finish_folders({});
}

DirectoryTargetOptions into(const std::string& path)
{
    DirectoryTargetOptions options;
    options.path = path;
    options.numeric_owners = true;
    return options;
}

/// Attributes that need no rights.
Entry plain(std::string path, EntryKind kind = EntryKind::file)
{
    Entry entry;
    entry.path = std::move(path);
    entry.kind = kind;
    entry.mode = kind == EntryKind::directory ? 0755 : 0644;
    entry.user_id = geteuid();
    entry.group_id = getegid();
    entry.modified = Timestamp{1'600'000'000, 123'456'789};
    return entry;
}

Entry symlink_to(std::string path, std::string target)
{
    Entry entry = plain(std::move(path), EntryKind::symlink);
    entry.link_target = std::move(target);
    return entry;
}

struct stat stat_of(const std::string& path)
{
    struct stat status {
    };
    REQUIRE_MESSAGE(lstat(path.c_str(), &status) == 0, path);
    return status;
}

bool is_there(const std::string& path)
{
    struct stat status {
    };
    return lstat(path.c_str(), &status) == 0;
}

bool has_temporary_files(const std::string& root)
{
    for (const auto& [path, line] : list_tree(root)) {
        if (path.find(".backstay-restore-") != std::string::npos) {
            return true;
        }
    }
    return false;
}

void set_time(const std::string& path, std::int64_t seconds, std::int64_t nanoseconds = 0)
{
    const timespec times[2] = {{seconds, nanoseconds}, {seconds, nanoseconds}};
    REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

unsigned long flags_of(const std::string& path)
{
    const int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK);
    long flags = 0;
    const int result = ioctl(fd, FS_IOC_GETFLAGS, &flags);
    close(fd);
    return result == 0 ? static_cast<unsigned long>(flags) : 0;
}

bool set_flags(const std::string& path, unsigned long flags)
{
    const int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK);
    const long value = static_cast<long>(flags);
    const int result = ioctl(fd, FS_IOC_SETFLAGS, &value);
    close(fd);
    return result == 0;
}

/// A POSIX ACL in the kernel's form: owner rw, user `user` r, group r, mask r, others nothing.
Bytes acl_for(std::uint32_t user)
{
    Bytes acl{2, 0, 0, 0};
    const auto add = [&](std::uint16_t tag, std::uint16_t rights, std::uint32_t id) {
        for (const std::uint16_t value : {tag, rights}) {
            acl.push_back(static_cast<std::uint8_t>(value));
            acl.push_back(static_cast<std::uint8_t>(value >> 8U));
        }
        for (int shift = 0; shift < 32; shift += 8) {
            acl.push_back(static_cast<std::uint8_t>(id >> shift));
        }
    };
    constexpr std::uint32_t nobody = 0xffffffff;
    add(0x01, 6, nobody);
    add(0x02, 4, user);
    add(0x04, 4, nobody);
    add(0x10, 4, nobody);
    add(0x20, 0, nobody);
    return acl;
}

bool takes_acls(const std::string& folder)
{
    const std::string probe = folder + "/acl-probe";
    write_file(probe, "");
    const Bytes acl = acl_for(1);
    const bool works =
        setxattr(probe.c_str(), "system.posix_acl_access", acl.data(), acl.size(), 0) == 0;
    unlink(probe.c_str());
    return works;
}

/// Runs `body` in a child process as an ordinary user; its return value.
int as_nobody(const std::function<int()>& body)
{
    const pid_t child = fork();
    if (child == 0) {
        if (setgroups(0, nullptr) != 0 || setresgid(65534, 65534, 65534) != 0 ||
            setresuid(65534, 65534, 65534) != 0) {
            _exit(99);
        }
        int result = 98;
        try {
            result = body();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "%s\n", error.what());
        }
        _exit(result);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 97;
}

/// A small file system of its own; needs root and the right to mount.
class SmallFileSystem
{
public:
    SmallFileSystem(std::string path, const char* options) : path_(std::move(path))
    {
        mounted_ = mount("tmpfs", path_.c_str(), "tmpfs", 0, options) == 0;
    }
    ~SmallFileSystem()
    {
        if (mounted_) {
            umount2(path_.c_str(), MNT_DETACH);
        }
    }
    SmallFileSystem(const SmallFileSystem&) = delete;
    SmallFileSystem& operator=(const SmallFileSystem&) = delete;
    bool mounted() const { return mounted_; }

private:
    std::string path_;
    bool mounted_ = false;
};

} // namespace

TEST_CASE("a tree comes back as it was, whatever the order of its bytes")
{
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        CAPTURE(seed);
        const TempDir dir;
        const RandomTree tree(seed, 150);
        FakeView view;
        tree.fill(view);
        Told told;
        DirectoryTarget target(into(dir / "out"), told.events());
        restore_shuffled(view, target, seed);
        CHECK(told.all_problems() == "");
        CHECK(told.entries == tree.made().size());
        const TreeListing got = list_tree(dir / "out");
        const TreeListing wanted = tree.expected();
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

TEST_CASE("a tree comes back over another one, as it was")
{
    for (std::uint64_t seed = 11; seed <= 14; ++seed) {
        CAPTURE(seed);
        const TempDir dir;
        FakeView before;
        RandomTree(seed + 100, 120).fill(before);
        FakeView after;
        const RandomTree tree(seed, 120);
        tree.fill(after);
        Told ignored;
        restore(before, into(dir / "out"), ignored);
        Told told;
        DirectoryTargetOptions options = into(dir / "out");
        options.delete_extra = true;
        DirectoryTarget target(options, told.events());
        Entry root = plain("", EntryKind::directory);
        target.begin(root);
        restore_shuffled(after, target, seed);
        CHECK(told.all_problems() == "");
        CHECK(list_tree(dir / "out") == tree.expected());
    }
}

TEST_CASE("a second restore changes nothing that is equal")
{
    const TempDir dir;
    FakeView view;
    RandomTree(21, 150).fill(view);
    Told first;
    restore(view, into(dir / "out"), first);
    std::map<std::string, struct stat> before;
    for (const auto& [path, line] : list_tree(dir / "out")) {
        before[path] = stat_of(dir / ("out/" + path));
    }

    for (const Overwrite overwrite :
         {Overwrite::always, Overwrite::if_changed, Overwrite::if_newer, Overwrite::never}) {
        CAPTURE(static_cast<int>(overwrite));
        Told second;
        DirectoryTargetOptions options = into(dir / "out");
        options.overwrite = overwrite;
        restore(view, options, second);
        CHECK(second.all_problems() == "");
        CHECK(second.written == 0);
        for (const auto& item : before) {
            const std::string& path = item.first;
            const auto& was = item.second;
            CAPTURE(path);
            const struct stat is = stat_of(dir / ("out/" + path));
            CHECK(is.st_ino == was.st_ino);
            CHECK(is.st_mtim.tv_nsec == was.st_mtim.tv_nsec);
            CHECK(is.st_ctim.tv_sec == was.st_ctim.tv_sec);
            CHECK(is.st_ctim.tv_nsec == was.st_ctim.tv_nsec);
        }
    }
}

TEST_CASE(
    "a file that differs is replaced by a new one, and the old one lives on under its other names")
{
    const TempDir dir;
    mkdir((dir / "out").c_str(), 0755);
    write_file(dir / "out/file", "old");
    REQUIRE(link((dir / "out/file").c_str(), (dir / "elsewhere").c_str()) == 0);
    FakeView view;
    view.add(plain("file"), "new bytes");
    Told told;
    restore(view, into(dir / "out"), told);
    CHECK(told.all_problems() == "");
    CHECK(read_file(dir / "out/file") == "new bytes");
    CHECK(read_file(dir / "elsewhere") == "old");
}

TEST_CASE("attributes are not set through a hard link that the snapshot does not know")
{
    const TempDir dir;
    mkdir((dir / "out").c_str(), 0755);
    write_file(dir / "out/file", "the same bytes");
    REQUIRE(link((dir / "out/file").c_str(), (dir / "elsewhere").c_str()) == 0);
    chmod((dir / "elsewhere").c_str(), 0777);
    FakeView view;
    view.add(plain("file"), "the same bytes");
    Told told;
    restore(view, into(dir / "out"), told);
    CHECK(told.all_problems() == "");
    CHECK(read_file(dir / "out/file") == "the same bytes");
    CHECK((stat_of(dir / "out/file").st_mode & 07777) == 0644);
    CHECK((stat_of(dir / "elsewhere").st_mode & 07777) == 0777);
    CHECK_FALSE(has_temporary_files(dir / "out"));
}

TEST_CASE("an interrupted restore leaves every old file whole and nothing temporary")
{
    const TempDir dir;
    FakeView old_view;
    FakeView new_view;
    for (int at = 0; at < 20; ++at) {
        const std::string name = "file" + std::to_string(at);
        old_view.add(plain(name), "old content of " + name);
        new_view.add(plain(name), std::string(10'000, 'n') + name);
        new_view.add(plain("z-new" + std::to_string(at)), "never there before");
    }
    Told told;
    restore(old_view, into(dir / "out"), told);
    {
        DirectoryTarget target(into(dir / "out"), told.events());
        auto files = begin_all(new_view, target);
        for (std::size_t at = 0; at < files.size(); ++at) {
            target.write(*files[at].file, 0, as_bytes("nnn"));
            if (at == 3) {
                write_data(new_view, target, files[at]);
                target.finish(files[at].file, DirectoryTarget::Wholeness::whole);
            }
        }
        CHECK(has_temporary_files(dir / "out"));
        target.abandon();
        // Whoever still works on files does no harm.
        target.write(*files[5].file, 3, as_bytes("nnn"));
        target.finish(files[5].file, DirectoryTarget::Wholeness::whole);
    }
    CHECK_FALSE(has_temporary_files(dir / "out"));
    int replaced = 0;
    for (const auto& item : list_tree(dir / "out")) {
        const std::string& path = item.first;
        CAPTURE(path);
        CHECK(path.substr(0, 4) == "file");
        const std::string content = read_file(dir / ("out/" + path));
        replaced += content == std::string(10'000, 'n') + path ? 1 : 0;
        CHECK((content == "old content of " + path || content == std::string(10'000, 'n') + path));
    }
    CHECK(replaced == 1);
}

TEST_CASE("a damaged file is not put in place, and what was there stays")
{
    const TempDir dir;
    mkdir((dir / "out").c_str(), 0755);
    write_file(dir / "out/old", "what was there");
    FakeView view;
    view.add(plain("new"), "bytes that are lost");
    view.add(plain("old"), "bytes that are lost");
    Told told;
    DirectoryTarget target(into(dir / "out"), told.events());
    for (const OpenFile& open : begin_all(view, target)) {
        target.write(*open.file, 0, as_bytes("by"));
        target.finish(open.file, DirectoryTarget::Wholeness::damaged);
    }
    target.finish_folders({});
    CHECK(list_tree(dir / "out").size() == 1);
    CHECK(read_file(dir / "out/old") == "what was there");
}

TEST_CASE("no name of a snapshot leads out of the folder that is restored to")
{
    const TempDir dir;
    mkdir((dir / "outside").c_str(), 0755);
    mkdir((dir / "out").c_str(), 0755);
    for (const std::string path : {"..", "../outside/x", "a/../../outside/x",
                                   "/tmp/backstay-hostile", ".", "a//b", "a/", "a/./b", "./a"}) {
        CAPTURE(path);
        for (const EntryKind kind : {EntryKind::file, EntryKind::directory, EntryKind::symlink,
                                     EntryKind::fifo, EntryKind::hard_link}) {
            Told told;
            DirectoryTarget target(into(dir / "out"), told.events());
            Entry entry = plain(path, kind);
            entry.link_target = "../outside/x";
            const auto begun = target.begin(entry);
            CHECK(begun.file == nullptr);
            target.finish_folders({});
            CHECK(told.problems.size() == 1);
        }
    }
    Told told;
    DirectoryTarget target(into(dir / "out"), told.events());
    target.begin(plain(std::string("nul\0byte", 8)));
    CHECK(told.problems.size() == 1);
    CHECK(list_tree(dir.path()).size() == 2);
    CHECK_FALSE(is_there("/tmp/backstay-hostile"));
}

TEST_CASE("a symlink planted by an earlier entry is not walked through")
{
    const TempDir dir;
    mkdir((dir / "outside").c_str(), 0755);
    write_file(dir / "outside/victim", "untouched");
    mkdir((dir / "out").c_str(), 0755);
    Told told;
    {
        DirectoryTargetOptions options = into(dir / "out");
        options.delete_extra = true;
        DirectoryTarget target(options, told.events());
        target.begin(symlink_to("a", "../outside"));
        const auto file = target.begin(plain("a/victim"));
        CHECK(file.file == nullptr);
        target.begin(plain("a/folder", EntryKind::directory));
        target.begin(plain("a/folder/deeper"));
        target.begin(symlink_to("b", "../outside/victim"));
        const auto through = target.begin(plain("c"));
        REQUIRE(through.file != nullptr);
        target.write(*through.file, 0, as_bytes("x"));
        target.finish(through.file, DirectoryTarget::Wholeness::whole);
        target.finish_folders({});
    }
    CHECK(told.problems.size() == 3);
    CHECK(list_tree(dir / "outside").size() == 1);
    CHECK(read_file(dir / "outside/victim") == "untouched");
    CHECK(S_ISLNK(stat_of(dir / "out/a").st_mode));
}

TEST_CASE("a symlink that lies where a file or folder must be is replaced, not followed")
{
    const TempDir dir;
    mkdir((dir / "outside").c_str(), 0755);
    write_file(dir / "outside/file", "untouched");
    mkdir((dir / "out").c_str(), 0755);
    REQUIRE(symlink("../outside", (dir / "out/folder").c_str()) == 0);
    REQUIRE(symlink("../outside/file", (dir / "out/file").c_str()) == 0);
    const std::string before = list_tree(dir / "outside").at("file");
    FakeView view;
    view.add(plain("file"), "restored");
    view.add(plain("folder", EntryKind::directory));
    view.add(plain("folder/file"), "inside");
    Told told;
    restore(view, into(dir / "out"), told);
    CHECK(told.all_problems() == "");
    CHECK(list_tree(dir / "outside") == TreeListing{{"file", before}});
    CHECK(read_file(dir / "out/folder/file") == "inside");
    CHECK(S_ISDIR(stat_of(dir / "out/folder").st_mode));
    CHECK(S_ISREG(stat_of(dir / "out/file").st_mode));
}

TEST_CASE("a symlink that led to what was saved stays, and hides nothing else behind it")
{
    const TempDir dir;
    mkdir((dir / "out").c_str(), 0755);
    mkdir((dir / "out/real").c_str(), 0755);
    write_file(dir / "out/real/other", "untouched");
    REQUIRE(symlink("real", (dir / "out/link").c_str()) == 0);
    REQUIRE(symlink("nowhere", (dir / "out/broken").c_str()) == 0);
    FakeView view;
    for (const char* name : {"broken", "link"}) {
        Entry above = plain(name, EntryKind::directory);
        above.modified.reset();
        view.add(above);
        view.add(plain(name + std::string("/saved")), "bytes");
    }
    for (const bool dry_run : {true, false}) {
        Told told;
        DirectoryTargetOptions options = into(dir / "out");
        options.delete_extra = true;
        options.dry_run = dry_run;
        restore(view, options, told);
        CHECK(told.step_for("link") == "conflict skip");
        CHECK(told.problems.size() == (dry_run ? 0 : 1));
    }
    CHECK(S_ISLNK(stat_of(dir / "out/link").st_mode));
    CHECK_FALSE(is_there(dir / "out/real/saved"));
    CHECK(read_file(dir / "out/broken/saved") == "bytes");
}

TEST_CASE("a folder swapped for a symlink while files are open does not lead their bytes out")
{
    const TempDir dir;
    mkdir((dir / "outside").c_str(), 0755);
    FakeView view;
    view.add(plain("folder", EntryKind::directory));
    view.add(plain("folder/file"), "secret");
    Told told;
    DirectoryTarget target(into(dir / "out"), told.events());
    auto files = begin_all(view, target);
    REQUIRE(rename((dir / "out/folder").c_str(), (dir / "moved").c_str()) == 0);
    REQUIRE(symlink("../outside", (dir / "out/folder").c_str()) == 0);
    write_data(view, target, files.at(0));
    target.finish(files.at(0).file, DirectoryTarget::Wholeness::whole);
    target.finish_folders({});
    CHECK(list_tree(dir / "outside").empty());
}

TEST_CASE("hard links of an archive stay inside")
{
    const TempDir dir;
    write_file(dir / "victim", "outside");
    FakeView view;
    view.add(plain("first"), "bytes");
    view.add(symlink_to("escape", ".."));
    const auto link = [&](const std::string& path, const std::string& target) {
        Entry entry = plain(path, EntryKind::hard_link);
        entry.link_target = target;
        view.add(entry);
    };
    link("good", "first");
    link("up", "../victim");
    link("absolute", dir / "victim");
    link("through", "escape/victim");
    link("nothing", "not-there");
    Told told;
    restore(view, into(dir / "out"), told);
    CHECK(told.problems.size() == 4);
    CHECK(stat_of(dir / "victim").st_nlink == 1);
    CHECK(stat_of(dir / "out/good").st_ino == stat_of(dir / "out/first").st_ino);
    CHECK(list_tree(dir / "out").size() == 3);
}

TEST_CASE("overwriting follows its policy")
{
    struct Case {
        const char* name;
        std::int64_t there_at; ///< relative to the snapshot's file
        const char* there;
        Overwrite overwrite;
        const char* wanted;
    };
    const Case cases[] = {
        {"always replaces", 100, "there", Overwrite::always, "saved"},
        {"never keeps", -100, "there", Overwrite::never, "there"},
        {"newer is kept", 100, "there", Overwrite::if_newer, "there"},
        {"older is replaced", -100, "there", Overwrite::if_newer, "saved"},
        {"same time and size count as equal", 0, "there", Overwrite::if_changed, "there"},
        {"another size is replaced", 0, "there!", Overwrite::if_changed, "saved"},
        {"another time is replaced", 1, "there", Overwrite::if_changed, "saved"},
    };
    for (const Case& test : cases) {
        CAPTURE(test.name);
        const TempDir dir;
        mkdir((dir / "out").c_str(), 0755);
        const Entry entry = plain("file");
        write_file(dir / "out/file", test.there);
        chmod((dir / "out/file").c_str(), 0600);
        set_time(dir / "out/file", entry.modified->seconds + test.there_at,
                 entry.modified->nanoseconds);
        FakeView view;
        view.add(entry, "saved");
        Told told;
        DirectoryTargetOptions options = into(dir / "out");
        options.overwrite = test.overwrite;
        restore(view, options, told);
        CHECK(told.all_problems() == "");
        CHECK(read_file(dir / "out/file") == test.wanted);
        const bool skipped = test.overwrite == Overwrite::never ||
                             (test.overwrite == Overwrite::if_newer && test.there_at > 0);
        CHECK(told.step_for("file") == (skipped ? "skip" : ""));
        CHECK((stat_of(dir / "out/file").st_mode & 07777) == (skipped ? 0600 : 0644));
    }
}

TEST_CASE("the half of a file that an interrupted restore left is not kept as if it were newer")
{
    for (const Overwrite overwrite : {Overwrite::if_newer, Overwrite::never}) {
        const TempDir dir;
        FakeView view;
        view.add(plain("file"), "all of its bytes");
        Told told;
        DirectoryTargetOptions options = into(dir / "out");
        options.overwrite = overwrite;
        DirectoryTarget target(options, told.events());
        const auto files = begin_all(view, target);
        target.write(*files.at(0).file, 0, as_bytes("all"));
        CHECK_FALSE(is_there(dir / "out/file")); // as a kill -9 would leave it
        target.write(*files.at(0).file, 3, as_bytes(" of its bytes"));
        target.finish(files.at(0).file, DirectoryTarget::Wholeness::whole);
        CHECK(read_file(dir / "out/file") == "all of its bytes");
    }
}

TEST_CASE("a folder in the way of a file goes only if it is empty or extras are removed")
{
    for (const bool filled : {false, true}) {
        for (const bool delete_extra : {false, true}) {
            for (const EntryKind kind : {EntryKind::file, EntryKind::symlink, EntryKind::fifo}) {
                CAPTURE(filled);
                CAPTURE(delete_extra);
                CAPTURE(static_cast<int>(kind));
                const TempDir dir;
                mkdir((dir / "out").c_str(), 0755);
                mkdir((dir / "out/thing").c_str(), 0755);
                if (filled) {
                    write_file(dir / "out/thing/inside", "precious");
                }
                FakeView view;
                Entry entry = plain("thing", kind);
                entry.link_target = kind == EntryKind::symlink ? "somewhere" : "";
                view.add(entry, kind == EntryKind::file ? "bytes" : "");
                Told told;
                DirectoryTargetOptions options = into(dir / "out");
                options.delete_extra = delete_extra;
                restore(view, options, told);
                const bool stays = filled && !delete_extra;
                CHECK(told.problems.size() == (stays ? 1 : 0));
                CHECK(told.step_for("thing") == (stays ? "conflict skip" : ""));
                CHECK(S_ISDIR(stat_of(dir / "out/thing").st_mode) == stays);
                CHECK_FALSE(has_temporary_files(dir / "out"));
            }
        }
    }
}

TEST_CASE("never overwriting leaves a thing of another kind, and says what is left out")
{
    const TempDir dir;
    mkdir((dir / "out").c_str(), 0755);
    write_file(dir / "out/folder", "a file");
    mkdir((dir / "out/file").c_str(), 0755);
    FakeView view;
    view.add(plain("file"), "bytes");
    view.add(plain("folder", EntryKind::directory));
    view.add(plain("folder/inside"), "bytes");
    Told told;
    DirectoryTargetOptions options = into(dir / "out");
    options.overwrite = Overwrite::never;
    restore(view, options, told);
    CHECK(told.step_for("file") == "conflict skip");
    CHECK(told.step_for("folder") == "conflict skip");
    CHECK(told.problems.size() == 2);
    CHECK(read_file(dir / "out/folder") == "a file");
}

TEST_CASE("extras go only in folders of the snapshot, and never what a symlink leads to")
{
    const TempDir dir;
    FakeView view;
    view.add(plain("kept", EntryKind::directory));
    view.add(plain("kept/file"), "1");
    view.add(plain("kept-too"), "2");
    view.add(plain("unreadable", EntryKind::directory));
    Told told;
    restore(view, into(dir / "out"), told);
    mkdir((dir / "outside").c_str(), 0755);
    write_file(dir / "outside/file", "untouched");
    mkdir((dir / "out/extra").c_str(), 0755);
    mkdir((dir / "out/extra/deep").c_str(), 0755);
    write_file(dir / "out/extra/deep/file", "x");
    write_file(dir / "out/kept/extra", "x");
    write_file(dir / "out/unreadable/stays", "x");
    write_file(dir / "out/left-out", "x");
    REQUIRE(symlink("../outside", (dir / "out/link").c_str()) == 0);
    REQUIRE(symlink("../../outside", (dir / "out/extra/link").c_str()) == 0);

    DirectoryTargetOptions options = into(dir / "out");
    options.delete_extra = true;
    DirectoryTarget target(options, told.events());
    target.begin(plain("", EntryKind::directory));
    const auto cursor = view.walk("", SnapshotView::Depth::all_levels);
    while (const auto entry = cursor->next()) {
        if (entry->path == "unreadable") {
            target.leave_alone("left-out");
        }
        const auto begun = target.begin(*entry);
        if (begun.file) {
            target.keep(begun.file);
        }
        if (entry->path == "unreadable") {
            target.leave_alone("unreadable");
        }
    }
    CHECK(is_there(dir / "out/extra"));
    target.finish_folders({});
    CHECK(told.all_problems() == "");
    std::string left;
    for (const auto& [path, line] : list_tree(dir / "out")) {
        left += path + " ";
    }
    CHECK(left == "kept kept-too kept/file left-out unreadable unreadable/stays ");
    CHECK(read_file(dir / "outside/file") == "untouched");
}

TEST_CASE("nothing is removed once a part of the snapshot could not be read")
{
    const TempDir dir;
    mkdir((dir / "out").c_str(), 0755);
    write_file(dir / "out/maybe-in-the-snapshot", "x");
    Told told;
    DirectoryTargetOptions options = into(dir / "out");
    options.delete_extra = true;
    DirectoryTarget target(options, told.events());
    target.begin(plain("", EntryKind::directory));
    target.keep_extras();
    target.finish_folders({});
    CHECK(told.problems.size() == 1);
    CHECK(is_there(dir / "out/maybe-in-the-snapshot"));
}

TEST_CASE("nothing is removed where two walks meet in one folder")
{
    const TempDir dir;
    FakeView view;
    view.add(plain("folder", EntryKind::directory));
    view.add(plain("folder/one"), "1");
    view.add(plain("folder/two"), "2");
    Told told;
    restore(view, into(dir / "out"), told);
    DirectoryTargetOptions options = into(dir / "out");
    options.delete_extra = true;
    DirectoryTarget target(options, told.events());
    for (const std::string name : {"folder/two", "folder/one"}) {
        target.begin(plain("folder", EntryKind::directory));
        const auto begun = target.begin(plain(name));
        target.keep(begun.file);
        target.begin(plain("somewhere-else"));
    }
    target.finish_folders({});
    CHECK(is_there(dir / "out/folder/one"));
    CHECK(is_there(dir / "out/folder/two"));
}

TEST_CASE("extras at any depth go with few descriptors")
{
    const TempDir dir;
    mkdir((dir / "out").c_str(), 0755);
    int at = open((dir / "out").c_str(), O_RDONLY | O_DIRECTORY);
    for (int depth = 0; depth < 500; ++depth) {
        REQUIRE(mkdirat(at, "deeper-and-deeper-and-deeper", 0755) == 0);
        const int next = openat(at, "deeper-and-deeper-and-deeper", O_RDONLY | O_DIRECTORY);
        close(openat(next, "file", O_WRONLY | O_CREAT, 0644));
        close(at);
        at = next;
    }
    close(at);
    Told told;
    DirectoryTargetOptions options = into(dir / "out");
    options.delete_extra = true;
    DirectoryTarget target(options, told.events());
    target.begin(plain("", EntryKind::directory));
    target.finish_folders({});
    CHECK(told.all_problems() == "");
    CHECK(list_tree(dir / "out").empty());
}

TEST_CASE("extras on another file system stay")
{
    const TempDir dir;
    mkdir((dir / "out").c_str(), 0755);
    mkdir((dir / "out/extra").c_str(), 0755);
    mkdir((dir / "out/extra/mounted").c_str(), 0755);
    const SmallFileSystem small(dir / "out/extra/mounted", "size=64k");
    if (!small.mounted()) {
        MESSAGE("not root, or mounting is forbidden: nothing tested");
        return;
    }
    write_file(dir / "out/extra/mounted/file", "on another file system");
    write_file(dir / "out/extra/file", "x");
    Told told;
    DirectoryTargetOptions options = into(dir / "out");
    options.delete_extra = true;
    DirectoryTarget target(options, told.events());
    target.begin(plain("", EntryKind::directory));
    target.finish_folders({});
    CHECK(told.problems.size() == 1);
    CHECK(read_file(dir / "out/extra/mounted/file") == "on another file system");
    CHECK_FALSE(is_there(dir / "out/extra/file"));
}

TEST_CASE("a full disk ends the restore, says what to do and leaves nothing half done")
{
    const TempDir dir;
    mkdir((dir / "out").c_str(), 0755);
    const SmallFileSystem small(dir / "out", "size=128k");
    if (!small.mounted()) {
        MESSAGE("not root, or mounting is forbidden: nothing tested");
        return;
    }
    FakeView view;
    view.add(plain("large"), std::string(300'000, 'x'));
    Told told;
    {
        DirectoryTarget target(into(dir / "out"), told.events());
        try {
            restore(view, target);
            FAIL("it fits?");
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::no_space);
            CHECK(std::string(error.what()).find("Make room") != std::string::npos);
        }
    }
    CHECK(list_tree(dir / "out").empty());
}

TEST_CASE("hard links are made whatever file is finished first")
{
    for (const bool reversed : {false, true}) {
        const TempDir dir;
        FakeView view;
        for (const std::string name : {"a1", "b1", "b2", "a2", "z/a3", "z/b3"}) {
            Entry entry = plain(name);
            entry.link = LinkIdentity{1, name.find('a') != std::string::npos ? 1U : 2U};
            view.add(entry, "bytes of " + std::to_string(entry.link->inode));
        }
        view.add(plain("z", EntryKind::directory));
        Told told;
        DirectoryTarget target(into(dir / "out"), told.events());
        auto files = begin_all(view, target);
        CHECK(files.size() == 2);
        if (reversed) {
            std::reverse(files.begin(), files.end());
        }
        for (const OpenFile& open : files) {
            write_data(view, target, open);
            target.finish(open.file, DirectoryTarget::Wholeness::whole);
        }
        target.finish_folders({});
        CHECK(told.all_problems() == "");
        CHECK(stat_of(dir / "out/a1").st_nlink == 3);
        CHECK(stat_of(dir / "out/b2").st_nlink == 3);
        CHECK(stat_of(dir / "out/a1").st_ino == stat_of(dir / "out/z/a3").st_ino);
        CHECK(stat_of(dir / "out/b1").st_ino == stat_of(dir / "out/z/b3").st_ino);
    }
}

TEST_CASE("the other names of a damaged file are told one by one")
{
    const TempDir dir;
    FakeView view;
    for (const std::string name : {"a", "b", "c"}) {
        Entry entry = plain(name);
        entry.link = LinkIdentity{1, 1};
        view.add(entry, "bytes");
    }
    Told told;
    DirectoryTarget target(into(dir / "out"), told.events());
    const auto files = begin_all(view, target);
    REQUIRE(files.size() == 1);
    target.finish(files[0].file, DirectoryTarget::Wholeness::damaged);
    target.finish_folders({});
    CHECK(told.problems.size() == 2);
    CHECK(list_tree(dir / "out").empty());
}

TEST_CASE("holes take no room, and zeros neither if that is wished")
{
    const TempDir dir;
    FakeView view;
    view.add_sparse(plain("holes"), 50 * MiB, {{20 * MiB, "in the middle"}});
    view.add(plain("zeros"), std::string(4 * MiB, '\0') + "x" + std::string(3 * MiB, '\0'));
    for (const bool sparse : {false, true}) {
        const std::string out = dir / (sparse ? "sparse" : "plain");
        Told told;
        DirectoryTargetOptions options = into(out);
        options.sparse = sparse;
        restore(view, options, told);
        CHECK(told.all_problems() == "");
        const struct stat holes = stat_of(out + "/holes");
        CHECK(holes.st_size == 50 * MiB);
        CHECK(holes.st_blocks < 2048);
        const std::string zeros = read_file(out + "/zeros");
        CHECK(zeros == std::string(4 * MiB, '\0') + "x" + std::string(3 * MiB, '\0'));
        CHECK((stat_of(out + "/zeros").st_blocks < 2048) == sparse);
    }
}

TEST_CASE("paths far beyond PATH_MAX come back")
{
    const TempDir dir;
    FakeView view;
    std::string path;
    for (int depth = 0; depth < 40; ++depth) {
        path += (path.empty() ? "" : "/") + std::string(240, 'd') + std::to_string(100 + depth);
        view.add(plain(path, EntryKind::directory));
    }
    view.add(plain(path + "/file"), "deep down");
    view.add(symlink_to(path + "/link", "nowhere"));
    Entry linked = plain(path + "/linked");
    linked.link = LinkIdentity{1, 2};
    view.add(linked, "two names");
    linked.path = "top";
    view.add(linked, "two names");
    Told told;
    restore(view, into(dir / "out"), told);
    CHECK(told.all_problems() == "");
    const TreeListing got = list_tree(dir / "out");
    CHECK(got.size() == 44);
    CHECK(got.at(path + "/file") == expected_line(plain(path + "/file"), "deep down", ""));
    CHECK(got.at(path) == expected_line(plain(path, EntryKind::directory), "", ""));
}

TEST_CASE("thousands of files in flight need few descriptors")
{
    const TempDir dir;
    FakeView view;
    for (int folder = 0; folder < 100; ++folder) {
        const std::string name = "folder" + std::to_string(folder);
        view.add(plain(name, EntryKind::directory));
        for (int file = 0; file < 20; ++file) {
            view.add(plain(name + "/" + std::to_string(file)), "first half, second half");
        }
    }
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    rlimit small = before;
    small.rlim_cur = 48;
    setrlimit(RLIMIT_NOFILE, &small);
    Told told;
    {
        DirectoryTarget target(into(dir / "out"), told.events());
        const auto files = begin_all(view, target);
        for (const OpenFile& open : files) {
            target.write(*open.file, 0, as_bytes("first half,"));
        }
        for (const OpenFile& open : files) {
            target.write(*open.file, 11, as_bytes(" second half"));
            target.finish(open.file, DirectoryTarget::Wholeness::whole);
        }
        target.finish_folders({});
    }
    setrlimit(RLIMIT_NOFILE, &before);
    CHECK(told.all_problems() == "");
    const TreeListing got = list_tree(dir / "out");
    CHECK(got.size() == 2100);
    CHECK(got.at("folder7/3") == expected_line(plain("x"), "first half, second half", ""));
}

TEST_CASE("a dry run tells everything and touches nothing")
{
    const TempDir dir;
    FakeView view;
    view.add(plain("changed"), "new!");
    view.add(plain("folder", EntryKind::directory));
    view.add(plain("folder/new"), "12345");
    view.add(plain("newfolder", EntryKind::directory));
    view.add(plain("newfolder/file"), "1");
    view.add(plain("other"), "same");
    view.add(plain("same"), "same");
    view.add(symlink_to("was-file", "x"));
    SUBCASE("where nothing is")
    {
        Told told;
        DirectoryTargetOptions options = into(dir / "out/deep");
        options.dry_run = true;
        restore(view, options, told);
        CHECK(told.all_problems() == "");
        CHECK(told.step_for("newfolder/file") == "create");
        CHECK(told.steps.back().kind == PlanStep::Kind::space);
        CHECK(told.steps.back().bytes == 18);
        CHECK_FALSE(is_there(dir / "out"));
    }
    SUBCASE("over something")
    {
        FakeView before;
        before.add(plain("changed"), "old");
        before.add(plain("extra"), "x");
        before.add(plain("folder", EntryKind::directory));
        Entry other = plain("other");
        other.mode = 0600;
        before.add(other, "same");
        before.add(plain("same"), "same");
        before.add(plain("was-file"), "x");
        Told told;
        restore(before, into(dir / "out"), told);
        const TreeListing was = list_tree(dir / "out");
        const struct stat root_was = stat_of(dir / "out");
        DirectoryTargetOptions options = into(dir / "out");
        options.dry_run = true;
        options.delete_extra = true;
        DirectoryTarget target(options, told.events());
        target.begin(plain("", EntryKind::directory));
        restore(view, target);
        CHECK(told.all_problems() == "");
        CHECK(told.step_for("changed") == "replace");
        CHECK(told.step_for("extra") == "remove");
        CHECK(told.step_for("folder") == "keep");
        CHECK(told.step_for("folder/new") == "create");
        CHECK(told.step_for("other") == "update");
        CHECK(told.step_for("same") == "keep");
        CHECK(told.step_for("was-file") == "replace");
        CHECK(list_tree(dir / "out") == was);
        CHECK(stat_of(dir / "out").st_ctim.tv_nsec == root_was.st_ctim.tv_nsec);
    }
}

TEST_CASE("a snapshot with more bytes than its size says is refused")
{
    const TempDir dir;
    Told told;
    DirectoryTarget target(into(dir / "out"), told.events());
    Entry entry = plain("file");
    entry.size = 4;
    const auto begun = target.begin(entry);
    target.write(*begun.file, 2, as_bytes("four"));
    target.write(*begun.file, ~std::uint64_t{0} - 1, as_bytes("wraps"));
    target.finish(begun.file, DirectoryTarget::Wholeness::whole);
    target.finish_folders({});
    CHECK(told.problems.size() == 1);
    CHECK(list_tree(dir / "out").empty());
}

TEST_CASE("folders that the walk did not give are made")
{
    const TempDir dir;
    Told told;
    DirectoryTarget target(into(dir / "out"), told.events());
    const auto begun = target.begin(plain("a/b/c/file"));
    REQUIRE(begun.file != nullptr);
    target.finish(begun.file, DirectoryTarget::Wholeness::whole);
    target.finish_folders({});
    CHECK(told.all_problems() == "");
    CHECK(is_there(dir / "out/a/b/c/file"));
}

TEST_CASE("verifying finds what differs")
{
    const TempDir dir;
    FakeView view;
    view.add(plain("content"), "right");
    view.add(plain("folder", EntryKind::directory));
    view.add(plain("folder/gone"), "x");
    view.add(symlink_to("link", "target"));
    view.add(plain("mode"), "x");
    view.add(plain("time"), "x");
    view.add(plain("whole"), "x");
    Told told;
    DirectoryTarget target(into(dir / "out"), told.events());
    restore(view, target);
    const auto verify = [&] {
        told.problems.clear();
        const auto cursor = view.walk("", SnapshotView::Depth::all_levels);
        while (const auto entry = cursor->next()) {
            target.verify_entry(*entry, [&](const Entry& same, int descriptor) {
                const auto stream = view.open_stream(same);
                Bytes wanted(stream->size());
                Bytes there(stream->size());
                stream->read_at(0, wanted, {});
                return read_at(descriptor, 0, there, same.path) == there.size() && there == wanted;
            });
        }
    };
    verify();
    CHECK(told.all_problems() == "");

    const int fd = open((dir / "out/content").c_str(), O_WRONLY);
    REQUIRE(pwrite(fd, "wrong", 5, 0) == 5);
    close(fd);
    set_time(dir / "out/content", 1'600'000'000, 123'456'789);
    chmod((dir / "out/mode").c_str(), 0640);
    set_time(dir / "out/time", 1'600'000'001);
    unlink((dir / "out/folder/gone").c_str());
    set_time(dir / "out/folder", 1'600'000'000, 123'456'789);
    unlink((dir / "out/link").c_str());
    REQUIRE(symlink("elsewhere", (dir / "out/link").c_str()) == 0);
    set_time(dir / "out/link", 1'600'000'000, 123'456'789);
    verify();
    REQUIRE(told.problems.size() == 5);
    CHECK(told.problems[0].message.find("content differs") != std::string::npos);
    CHECK(told.problems[1].message.find("not there") != std::string::npos);
    CHECK(told.problems[2].message.find("points elsewhere") != std::string::npos);
    CHECK(told.problems[3].message.find("mode is 0640, not 0644") != std::string::npos);
    CHECK(told.problems[4].message.find("modified at") != std::string::npos);
}

TEST_CASE("ACLs and file capabilities survive the change of owner before them")
{
    const TempDir dir;
    if (geteuid() != 0 || !takes_acls(dir.path())) {
        MESSAGE("not root, or no ACLs here: nothing tested");
        return;
    }
    FakeView view;
    Entry program = plain("program");
    program.user_id = 1234;
    program.group_id = 4321;
    program.mode = 04755;
    // cap_net_raw, effective
    const Bytes capability{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    program.xattrs = {{"security.capability", capability}};
    view.add(program, "bytes");
    Entry file = plain("with-acl");
    file.user_id = 1234;
    file.mode = 0640;
    file.xattrs = {{"system.posix_acl_access", acl_for(99)}, {"trusted.mine", {1, 2, 3}}};
    view.add(file, "bytes");
    Entry folder = plain("folder", EntryKind::directory);
    folder.xattrs = {{"system.posix_acl_default", acl_for(99)}};
    view.add(folder);
    Entry inside = plain("folder/inside");
    view.add(inside, "no ACL of its own");

    for (int round = 0; round < 2; ++round) { // new, then over what is there
        CAPTURE(round);
        Told told;
        restore(view, into(dir / "out"), told);
        CHECK(told.all_problems() == "");
        const TreeListing got = list_tree(dir / "out");
        CHECK(got.at("program") == expected_line(program, "bytes", ""));
        CHECK(got.at("with-acl") == expected_line(file, "bytes", ""));
        CHECK(got.at("folder") == expected_line(folder, "", ""));
        CHECK(got.at("folder/inside") == expected_line(inside, "no ACL of its own", ""));
        // Somebody plays with them.
        chown((dir / "out/program").c_str(), 0, 0);
        chmod((dir / "out/with-acl").c_str(), 0600);
        write_file(dir / "out/folder/inside", "inherits on its way");
    }
}

TEST_CASE("what is made in a folder with a default ACL does not inherit it")
{
    const TempDir dir;
    if (!takes_acls(dir.path())) {
        MESSAGE("no ACLs here: nothing tested");
        return;
    }
    mkdir((dir / "out").c_str(), 0755);
    const Bytes acl = acl_for(99);
    REQUIRE(setxattr((dir / "out").c_str(), "system.posix_acl_default", acl.data(), acl.size(),
                     0) == 0);
    FakeView view;
    view.add(plain("fifo", EntryKind::fifo));
    view.add(plain("file"), "x");
    view.add(plain("folder", EntryKind::directory));
    view.add(plain("folder/file"), "x");
    view.add(plain("folder/folder", EntryKind::directory));
    Told told;
    DirectoryTarget target(into(dir / "out"), told.events());
    Entry root = plain("", EntryKind::directory);
    root.xattrs = {{"system.posix_acl_default", acl}};
    target.begin(root);
    restore(view, target);
    CHECK(told.all_problems() == "");
    for (const auto& item : list_tree(dir / "out")) {
        const std::string& path = item.first;
        const auto& line = item.second;
        CAPTURE(path);
        CHECK(line.find("posix_acl") == std::string::npos);
        CHECK(line.find(S_ISDIR(stat_of(dir / ("out/" + path)).st_mode) ? "0755" : "0644") !=
              std::string::npos);
    }
}

TEST_CASE("immutable files and folders are made, replaced and removed")
{
    const TempDir dir;
    write_file(dir / "probe", "");
    if (geteuid() != 0 || !set_flags(dir / "probe", flags_of(dir / "probe") | FS_NODUMP_FL)) {
        MESSAGE("not root, or no flags here: nothing tested");
        return;
    }
    const auto all_off = [&] {
        for (const auto& [path, line] : list_tree(dir / "out")) {
            if (line[0] == 'f' || line[0] == 'd') {
                set_flags(dir / ("out/" + path), 0);
            }
        }
    };
    FakeView view;
    Entry folder = plain("folder", EntryKind::directory);
    folder.file_flags = FS_IMMUTABLE_FL | FS_EXTENT_FL;
    view.add(folder);
    Entry file = plain("folder/file");
    file.file_flags = FS_IMMUTABLE_FL | FS_NODUMP_FL | FS_EXTENT_FL;
    file.link = LinkIdentity{3, 4};
    view.add(file, "first");
    file.path = "folder/other-name";
    view.add(file, "first");
    Entry log = plain("folder/log");
    log.file_flags = FS_APPEND_FL;
    view.add(log, "line");
    Told told;
    restore(view, into(dir / "out"), told);
    CHECK(told.all_problems() == "");
    CHECK((flags_of(dir / "out/folder") & FS_IMMUTABLE_FL) != 0);
    CHECK((flags_of(dir / "out/folder/file") & (FS_IMMUTABLE_FL | FS_NODUMP_FL)) ==
          (FS_IMMUTABLE_FL | FS_NODUMP_FL));
    CHECK((flags_of(dir / "out/folder/log") & FS_APPEND_FL) != 0);
    CHECK(stat_of(dir / "out/folder/file").st_nlink == 2);
    CHECK(stat_of(dir / "out/folder").st_mtim.tv_nsec == 123'456'789);

    FakeView changed;
    changed.add(folder);
    Entry plain_file = plain("folder/file");
    plain_file.file_flags = 0;
    changed.add(plain_file, "second");
    changed.add(log, "line");
    DirectoryTargetOptions options = into(dir / "out");
    options.delete_extra = true;
    restore(changed, options, told);
    CHECK(told.all_problems() == "");
    CHECK(read_file(dir / "out/folder/file") == "second");
    CHECK((flags_of(dir / "out/folder/file") & FS_IMMUTABLE_FL) == 0);
    CHECK((flags_of(dir / "out/folder") & FS_IMMUTABLE_FL) != 0);
    CHECK_FALSE(is_there(dir / "out/folder/other-name"));
    all_off();
}

TEST_CASE("a flag that the file system refuses takes no other with it, and is told")
{
    const TempDir dir;
    write_file(dir / "probe", "");
    const unsigned long before = flags_of(dir / "probe");
    if (!set_flags(dir / "probe", before | FS_NOATIME_FL | FS_SYNC_FL) ||
        set_flags(dir / "probe", before | FS_NOCOW_FL)) {
        MESSAGE("this file system has no flags, or all: nothing tested");
        return;
    }
    FakeView view;
    Entry file = plain("file");
    file.file_flags = FS_NOATIME_FL | FS_SYNC_FL | FS_NOCOW_FL;
    view.add(file, "content");
    Told told;
    restore(view, into(dir / "out"), told);
    CHECK((flags_of(dir / "out/file") & (FS_NOATIME_FL | FS_SYNC_FL)) ==
          (FS_NOATIME_FL | FS_SYNC_FL));
    CHECK(told.all_problems().find("the file flag 'no copy on write' was not set") !=
          std::string::npos);
}

TEST_CASE("an abandoned restore locks again what it unlocked")
{
    const TempDir dir;
    mkdir((dir / "out").c_str(), 0755);
    mkdir((dir / "out/folder").c_str(), 0755);
    if (geteuid() != 0 ||
        !set_flags(dir / "out/folder", flags_of(dir / "out/folder") | FS_IMMUTABLE_FL)) {
        MESSAGE("not root, or no flags here: nothing tested");
        return;
    }
    {
        Told told;
        DirectoryTarget target(into(dir / "out"), told.events());
        target.begin(plain("folder", EntryKind::directory));
        const auto begun = target.begin(plain("folder/file"));
        REQUIRE(begun.file != nullptr);
        CHECK((flags_of(dir / "out/folder") & FS_IMMUTABLE_FL) == 0);
    }
    CHECK((flags_of(dir / "out/folder") & FS_IMMUTABLE_FL) != 0);
    set_flags(dir / "out/folder", 0);
}

TEST_CASE("without owners no set-user-id bit is lent to another user")
{
    const TempDir dir;
    FakeView view;
    Entry entry = plain("program");
    entry.user_id = geteuid() + 1;
    entry.group_id = getegid() + 1;
    entry.mode = 06755;
    view.add(entry, "bytes");
    Told told;
    DirectoryTargetOptions options = into(dir / "out");
    options.owners = false;
    restore(view, options, told);
    CHECK(told.problems.size() == 1);
    CHECK((stat_of(dir / "out/program").st_mode & 07777) == 0755);
    CHECK(stat_of(dir / "out/program").st_uid == geteuid());
}

TEST_CASE("names of owners win over numbers unless numbers are wished")
{
    if (geteuid() != 0) {
        MESSAGE("not root: nothing tested");
        return;
    }
    const TempDir dir;
    FakeView view;
    Entry entry = plain("file");
    entry.user_id = 4711;
    entry.group_id = 4712;
    entry.user = "root";
    entry.group = "no-such-group-here";
    view.add(entry, "bytes");
    Told told;
    DirectoryTargetOptions options = into(dir / "by-name");
    options.numeric_owners = false;
    restore(view, options, told);
    restore(view, into(dir / "by-number"), told);
    CHECK(told.all_problems() == "");
    CHECK(stat_of(dir / "by-name/file").st_uid == 0);
    CHECK(stat_of(dir / "by-name/file").st_gid == 4712);
    CHECK(stat_of(dir / "by-number/file").st_uid == 4711);
}

TEST_CASE("an ordinary user gets what is possible, and the rest told once a kind")
{
    if (geteuid() != 0) {
        MESSAGE("not root, so no other user to be: nothing tested");
        return;
    }
    const TempDir dir;
    chmod(dir.path().c_str(), 0777);
    FakeView view;
    for (int at = 0; at < 10; ++at) {
        const std::string number = std::to_string(at);
        view.add(plain("file" + number), "bytes " + number); // root's
        Entry device = plain("device" + number, EntryKind::character_device);
        device.device = (1ULL << 32U) | 3;
        view.add(device);
    }
    Entry trusted = plain("trusted");
    trusted.user_id = 65534;
    trusted.group_id = 65534;
    trusted.mode = 0400;
    trusted.xattrs = {{"trusted.x", {1}}, {"user.y", {2}}};
    view.add(trusted, "x");
    Entry locked = plain("locked", EntryKind::directory);
    locked.user_id = 65534;
    locked.group_id = 65534;
    locked.mode = 0500;
    view.add(locked);
    locked.path = "locked/inside";
    locked.kind = EntryKind::file;
    view.add(locked, "x");
    view.add(plain("socket", EntryKind::socket));
    for (int round = 0; round < 2; ++round) {
        CAPTURE(round);
        CHECK(as_nobody([&] {
                  Told told;
                  restore(view, into(dir / "out"), told);
                  std::size_t devices = 0;
                  std::size_t owners = 0;
                  std::size_t trusted_xattrs = 0;
                  for (const RestoreProblem& problem : told.problems) {
                      const bool many = problem.message.find("in 9 more") != std::string::npos;
                      devices += many && problem.path == "device0" ? 1 : 0;
                      owners += problem.message.find("owner") != std::string::npos ? 1 : 0;
                      trusted_xattrs +=
                          problem.message.find("trusted.*") != std::string::npos ? 1 : 0;
                  }
                  if (told.problems.size() != 3 || devices != 1 || owners != 1 ||
                      trusted_xattrs != 1) {
                      std::fprintf(stderr, "%s", told.all_problems().c_str());
                      return 1;
                  }
                  return 0;
              }) == 0);
    }
    const TreeListing got = list_tree(dir / "out");
    CHECK(got.size() == 14);
    CHECK((stat_of(dir / "out/locked").st_mode & 07777) == 0500);
    CHECK(got.at("trusted").find("user.y=02") != std::string::npos);
    CHECK(got.at("file3").find("0644 65534:65534 @1600000000.123456789") != std::string::npos);
}

TEST_CASE("a root that cannot be used is said at once")
{
    const TempDir dir;
    write_file(dir / "file", "x");
    Told told;
    CHECK_THROWS_AS(DirectoryTarget(into(dir / "file"), told.events()), Error);
    DirectoryTargetOptions options = into(dir / "missing");
    options.create_root = false;
    try {
        DirectoryTarget(options, told.events());
        FAIL("it is not there");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::not_found);
    }
}
