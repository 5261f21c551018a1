#include "target/descriptor_writer.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>

namespace backstay::core
{

namespace
{

constexpr int stop_poll_milliseconds = 100;

/// Keeps a SIGPIPE of this thread from reaching the host: blocked, and taken back if it came.
class NoBrokenPipeSignal
{
public:
    NoBrokenPipeSignal()
    {
        sigemptyset(&pipe_);
        sigaddset(&pipe_, SIGPIPE);
        sigset_t pending;
        sigpending(&pending);
        was_pending_ = sigismember(&pending, SIGPIPE) == 1;
        pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
    }
    ~NoBrokenPipeSignal()
    {
        if (!was_pending_) {
            const timespec at_once{};
            while (sigtimedwait(&pipe_, nullptr, &at_once) == SIGPIPE) {
            }
        }
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    NoBrokenPipeSignal(const NoBrokenPipeSignal&) = delete;
    NoBrokenPipeSignal& operator=(const NoBrokenPipeSignal&) = delete;

private:
    sigset_t pipe_{};
    sigset_t before_{};
    bool was_pending_ = false;
};

} // namespace

DescriptorWriter::DescriptorWriter(int descriptor, std::string name)
    : descriptor_(descriptor), name_(std::move(name))
{
    struct stat status {
    };
    if (fstat(descriptor_, &status) != 0) {
        throw_system_error(errno, "cannot write to the descriptor", name_, ErrorCode::target);
    }
    waits_ = !S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode);
}

void DescriptorWriter::wait(const std::stop_token& stop)
{
    while (true) {
        throw_if_stopped(stop);
        pollfd ready{.fd = descriptor_, .events = POLLOUT, .revents = 0};
        const int count = poll(&ready, 1, stop_poll_milliseconds);
        if (count > 0 || (count < 0 && errno != EINTR)) {
            return; // the write says what is wrong
        }
    }
}

std::size_t DescriptorWriter::write_some(ByteSpan bytes, const std::stop_token& stop)
{
    if (!waits_) {
        const ssize_t size = ::write(descriptor_, bytes.data(), bytes.size());
        return size < 0 ? 0 : static_cast<std::size_t>(size);
    }
    wait(stop);
    if (at_once_) {
        iovec part{.iov_base = const_cast<std::uint8_t*>(bytes.data()), .iov_len = bytes.size()};
        const ssize_t size = pwritev2(descriptor_, &part, 1, -1, RWF_NOWAIT);
        if (size >= 0) {
            return static_cast<std::size_t>(size);
        }
        if (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS && errno != ESPIPE) {
            return 0;
        }
        at_once_ = false;
    }
    // A pipe that is ready takes this much without waiting.
    const ssize_t size =
        ::write(descriptor_, bytes.data(), std::min<std::size_t>(bytes.size(), PIPE_BUF));
    return size < 0 ? 0 : static_cast<std::size_t>(size);
}

void DescriptorWriter::write(ByteSpan bytes, const std::stop_token& stop)
{
    const NoBrokenPipeSignal guard;
    while (!bytes.empty()) {
        throw_if_stopped(stop);
        errno = 0;
        const std::size_t size = write_some(bytes, stop);
        written_ += size;
        bytes = bytes.subspan(size);
        if (size != 0 || errno == EINTR || errno == EAGAIN) {
            continue;
        }
        if (errno == EPIPE || errno == ECONNRESET) {
            throw Error(ErrorCode::target, "whoever read the output has gone", name_, errno);
        }
        throw_system_error(errno, "cannot write", name_, ErrorCode::target);
    }
}

void DescriptorWriter::write_zeros(std::uint64_t count, const std::stop_token& stop)
{
    static const std::array<std::uint8_t, 256 * KiB> zeros{};
    while (count > 0) {
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(count, zeros.size()));
        write(ByteSpan(zeros).first(size), stop);
        count -= size;
    }
}

} // namespace backstay::core
