#include "base/random.hpp"

#include "base/error.hpp"

#include <cerrno>
#include <sys/random.h>

namespace backstay::core
{

void fill_random(MutableByteSpan out)
{
    std::size_t done = 0;
    while (done < out.size()) {
        const ssize_t got = ::getrandom(out.data() + done, out.size() - done, 0);
        if (got < 0 && errno != EINTR) {
            throw_system_error(errno, "cannot get random bytes", "", ErrorCode::internal);
        }
        done += got > 0 ? static_cast<std::size_t>(got) : 0;
    }
}

} // namespace backstay::core
