#include "target/safe_folder.hpp"

#include "base/error.hpp"
#include "support/temp_dir.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <functional>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace backstay::core;

namespace
{

/// From now on this process has a kernel without openat2, as sandboxes and Linux before 5.6 do.
bool forbid_openat2()
{
    std::array<sock_filter, 4> program{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }};
    const sock_fprog filter{program.size(), program.data()};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// Runs `body` in a child; its return value.
int in_child(const std::function<int()>& body)
{
    const pid_t child = fork();
    if (child == 0) {
        _exit(body());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

std::string deep_path(int depth)
{
    std::string path;
    for (int at = 0; at < depth; ++at) {
        path += (path.empty() ? "" : "/") + std::string(200, 'd') + std::to_string(at);
    }
    return path;
}

/// 0, or the number of what is wrong.
int try_everything(const std::string& dir)
{
    const FileDescriptor root(open((dir + "/root").c_str(), O_RDONLY | O_DIRECTORY));
    if (!open_folder_below(root.get(), "").descriptor ||
        !open_folder_below(root.get(), "a/b").descriptor) {
        return 1;
    }
    const OpenedFolder through = open_folder_below(root.get(), "a/link/inside");
    if (through.descriptor || (through.error != ELOOP && through.error != ENOTDIR)) {
        return 2;
    }
    if (open_folder_below(root.get(), "a/link").descriptor) {
        return 3;
    }
    if (open_folder_below(root.get(), "a/absent").error != ENOENT ||
        open_folder_below(root.get(), "a/file").error != ENOTDIR) {
        return 4;
    }
    if (make_folders_below(root.get(), "a/link/new", 0755).descriptor) {
        return 5;
    }
    const std::string deep = deep_path(100);
    if (!make_folders_below(root.get(), deep, 0755).descriptor) {
        return 6;
    }
    const OpenedFolder opened = open_folder_below(root.get(), deep);
    if (!opened.descriptor || !list_folder(opened.descriptor.get(), deep).empty()) {
        return 7;
    }
    return open_folder_below(root.get(), deep + "/x").error == ENOENT ? 0 : 8;
}

} // namespace

TEST_CASE("folders below a root are reached whatever their depth, and never through a symlink")
{
    for (const bool with_openat2 : {true, false}) {
        CAPTURE(with_openat2);
        const TempDir dir;
        std::filesystem::create_directories(dir / "root/a/b");
        std::filesystem::create_directories(dir / "outside/inside");
        std::filesystem::create_directory_symlink("../../outside", dir / "root/a/link");
        write_file(dir / "root/a/file", "x");
        CHECK(in_child([&] {
                  if (!with_openat2 && !forbid_openat2()) {
                      return 0; // not allowed here; the other round is
                  }
                  return try_everything(dir.path());
              }) == 0);
        CHECK_FALSE(std::filesystem::exists(dir / "outside/new"));
    }
}

TEST_CASE("a root is made with its parents, and may be reached through symlinks")
{
    const TempDir dir;
    std::filesystem::create_directories(dir / "real");
    std::filesystem::create_directory_symlink("real", dir / "link");
    CHECK(open_root_folder(dir / "link/a//b/", true));
    CHECK(std::filesystem::is_directory(dir / "real/a/b"));
    CHECK(open_root_folder("/", false));
    try {
        open_root_folder(dir / "absent", false);
        FAIL("it is not there");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::not_found);
    }
    write_file(dir / "file", "x");
    CHECK_THROWS_AS(open_root_folder(dir / "file", true), Error);
    CHECK_THROWS_AS(open_root_folder("", true), Error);
}

TEST_CASE("paths are split at their last slash")
{
    CHECK(split_path("a/b/c").parent == "a/b");
    CHECK(split_path("a/b/c").name == "c");
    CHECK(split_path("c").parent == "");
    CHECK(split_path("c").name == "c");
}
