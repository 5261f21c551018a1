#include "target/directory_target.hpp"

#include "base/error.hpp"
#include "support/fake_view.hpp"
#include "support/temp_dir.hpp"

#include <cerrno>
#include <doctest/doctest.h>
#include <filesystem>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

using namespace backstay::core;

namespace
{

/// What the library calls instead of the system's syncfs() in this program.
struct FakeSync {
    std::vector<dev_t> devices;
    std::string file_at_call; ///< looked for at each call
    bool file_was_there = false;
    int error = 0;
} fake_sync;

Entry file_entry(const std::string& path, std::size_t size)
{
    Entry entry;
    entry.path = path;
    entry.size = size;
    entry.mode = 0644;
    return entry;
}

/// Restores "folder/file" below `root`.
std::optional<Error> restore(const std::string& root, DirectoryTargetOptions options)
{
    options.path = root;
    try {
        DirectoryTarget target(options, {});
        const auto begun = target.begin(file_entry("folder/file", 5));
        if (begun.file) {
            target.write(*begun.file, 0, as_bytes("bytes"));
            target.finish(begun.file, DirectoryTarget::Wholeness::whole);
        }
        target.finish_folders({});
        return std::nullopt;
    } catch (const Error& error) {
        return error;
    }
}

DirectoryTargetOptions synced()
{
    DirectoryTargetOptions options;
    options.sync = true;
    return options;
}

dev_t device_of(const std::string& path)
{
    struct stat status {
    };
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_dev;
}

} // namespace

extern "C" int syncfs(int descriptor)
{
    struct stat status {
    };
    ::fstat(descriptor, &status);
    fake_sync.devices.push_back(status.st_dev);
    fake_sync.file_was_there = std::filesystem::exists(fake_sync.file_at_call);
    errno = fake_sync.error;
    return fake_sync.error == 0 ? 0 : -1;
}

TEST_CASE("a restore with sync ends when all of it is on the disk, not before")
{
    const TempDir temp;
    fake_sync = {};
    fake_sync.file_at_call = temp / "out/folder/file";
    CHECK_FALSE(restore(temp / "out", synced()));
    CHECK(fake_sync.devices == std::vector<dev_t>{device_of(temp / "out")});
    CHECK(fake_sync.file_was_there);
}

TEST_CASE("a restore that did not all reach the disk has failed, and says what and where")
{
    const TempDir temp;
    fake_sync = {};
    fake_sync.error = EIO;
    const auto error = restore(temp / "out", synced());
    REQUIRE(error);
    CHECK(error->subject() == temp / "out");
    CHECK(std::string(error->what()).find("disk") != std::string::npos);
    fake_sync.error = ENOSPC;
    const auto full = restore(temp / "other", synced());
    REQUIRE(full);
    CHECK(full->code() == ErrorCode::no_space);
}

TEST_CASE("a dry run, or a restore that was not asked to, waits for no disk")
{
    const TempDir temp;
    fake_sync = {};
    DirectoryTargetOptions dry_run = synced();
    dry_run.dry_run = true;
    CHECK_FALSE(restore(temp / "out", dry_run));
    CHECK_FALSE(restore(temp / "out", {}));
    CHECK(fake_sync.devices.empty());
}
