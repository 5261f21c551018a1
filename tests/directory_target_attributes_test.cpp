#include "target/directory_target.hpp"

#include "support/restored_folder.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <functional>
#include <grp.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

using namespace backstay::core;

namespace
{

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

} // namespace

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
