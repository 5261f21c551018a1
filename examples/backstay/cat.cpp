#include "invocation.hpp"

#include <cerrno>
#include <unistd.h>

namespace command
{

namespace
{

void write_all(const std::uint8_t* data, std::size_t size)
{
    while (size > 0) {
        const ssize_t put = ::write(STDOUT_FILENO, data, size);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            throw backstay::Error(BACKSTAY_E_TARGET, "cannot write to standard output");
        }
        data += put;
        size -= static_cast<std::size_t>(put);
    }
}

int run(Invocation& invocation)
{
    const auto [name, path] = Invocation::split(invocation.positional("SNAPSHOT:PATH"));
    const backstay::Repository repository = invocation.repository();
    const backstay::Stream stream =
        invocation.snapshot(repository, name).view(path, &invocation.cancel()).stream();
    std::vector<std::uint8_t> buffer(std::size_t{1} << 20);
    std::uint64_t offset = 0;
    while (const std::size_t got = stream.read_at(offset, buffer.data(), buffer.size())) {
        write_all(buffer.data(), got);
        offset += got;
    }
    return exit_done;
}

} // namespace

Command cat_command()
{
    return {"cat",
            "Print a file of a snapshot",
            "backstay -r /mnt/backups cat latest:/etc/fstab",
            {{"SNAPSHOT:PATH", "A snapshot, and a file in it"}},
            {"filter"},
            {"kind"},
            {},
            run};
}

} // namespace command
