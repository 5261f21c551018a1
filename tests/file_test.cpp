#include "base/file.hpp"

#include "base/error.hpp"
#include "support/seeded_bytes.hpp"
#include "support/temp_dir.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

using namespace backstay::core;

namespace
{

template <typename Body>
ErrorCode code_of(Body body)
{
    try {
        body();
    } catch (const Error& e) {
        return e.code();
    }
    return ErrorCode::internal;
}

bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

FileDescriptor open_file(const std::string& path, int flags)
{
    return FileDescriptor(open(path.c_str(), flags | O_CLOEXEC, 0600));
}

} // namespace

TEST_CASE("a descriptor is closed once, by its last owner")
{
    const TempDir folder;
    FileDescriptor first = open_file(folder / "a", O_CREAT | O_RDWR);
    const int number = first.get();
    {
        const FileDescriptor second = std::move(first);
        CHECK(second.get() == number);
        CHECK(is_open(number));
    }
    CHECK_FALSE(is_open(number));

    FileDescriptor third = open_file(folder / "a", O_RDWR);
    FileDescriptor fourth = open_file(folder / "b", O_CREAT | O_RDWR);
    const int old = third.get();
    third = std::move(fourth);
    CHECK_FALSE(is_open(old));
    const int kept = third.release();
    CHECK_FALSE(third);
    CHECK(is_open(kept));
    FileDescriptor(kept).close("kept");
    CHECK_FALSE(is_open(kept));
}

TEST_CASE("closing a descriptor that is none is an error that names the file")
{
    FileDescriptor bad(-1);
    try {
        bad.close("/its/name");
        FAIL("no error");
    } catch (const Error& e) {
        CHECK(e.code() == ErrorCode::storage);
        CHECK(e.subject() == "/its/name");
    }
}

TEST_CASE("bytes written at an offset are read there, and a read ends at the end")
{
    const FileDescriptor file = open_unnamed_file(temporary_folder());
    const Bytes bytes = seeded_bytes(1, 100'000);
    write_at(file.get(), 5000, bytes, "file");
    Bytes buffer(200'000, 0xff);
    CHECK(read_at(file.get(), 0, buffer, "file") == 105'000);
    CHECK(equal(ByteSpan(buffer).first(5000), Bytes(5000)));
    CHECK(equal(ByteSpan(buffer).subspan(5000, 100'000), bytes));
    CHECK(read_at(file.get(), 105'000, buffer, "file") == 0);
    CHECK(read_at(file.get(), 0, {}, "file") == 0);
}

TEST_CASE("a full disk is told from other failures")
{
    const FileDescriptor full = open_file("/dev/full", O_WRONLY);
    REQUIRE(full);
    CHECK(code_of([&] { write_at(full.get(), 0, Bytes(10), "/dev/full"); }) == ErrorCode::no_space);
    const FileDescriptor read_only = open_file("/dev/null", O_RDONLY);
    CHECK(code_of([&] { write_at(read_only.get(), 0, Bytes(10), "/dev/null"); }) ==
          ErrorCode::storage);
    const TempDir folder;
    const FileDescriptor directory = open_file(folder.path(), O_RDONLY);
    Bytes buffer(10);
    CHECK(code_of([&] { read_at(directory.get(), 0, buffer, folder.path()); }) ==
          ErrorCode::storage);
}

TEST_CASE("an unnamed file leaves no name behind")
{
    const TempDir folder;
    const FileDescriptor file = open_unnamed_file(folder.path());
    write_at(file.get(), 0, as_bytes("text"), "unnamed");
    CHECK(std::filesystem::is_empty(folder.path()));
    CHECK(code_of([&] { open_unnamed_file(folder / "missing"); }) == ErrorCode::not_found);
}

TEST_CASE("a small file is read whole, up to its limit")
{
    const TempDir folder;
    const std::string path = folder / "small";
    const Bytes bytes = seeded_bytes(1, 100'000);
    write_file(path, as_text(bytes));
    CHECK(read_small_file(path, 100'000) == bytes);
    CHECK(code_of([&] { read_small_file(path, 99'999); }) == ErrorCode::invalid);
    CHECK(code_of([&] { read_small_file("/dev/zero", 1000); }) == ErrorCode::invalid);
    CHECK(code_of([&] { read_small_file(folder / "missing", 10); }) == ErrorCode::not_found);
    write_file(path, "");
    CHECK(read_small_file(path, 0).empty());
}

TEST_CASE("a small file may be a pipe")
{
    const TempDir folder;
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const FileDescriptor reader(ends[0]);
    FileDescriptor writer(ends[1]);
    REQUIRE(write(writer.get(), "secret\n", 7) == 7);
    writer.close("pipe");
    const Bytes bytes = read_small_file("/dev/fd/" + std::to_string(reader.get()), 100);
    CHECK(as_text(bytes) == "secret\n");
}
