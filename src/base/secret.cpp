#include "base/secret.hpp"

#include "base/random.hpp"

#include <new>
#include <sys/mman.h>
#include <unistd.h>

namespace backstay::core
{

void wipe(MutableByteSpan bytes) noexcept
{
    if (!bytes.empty()) {
        ::explicit_bzero(bytes.data(), bytes.size());
    }
}

Secret::Secret(std::size_t size) : size_(size)
{
    if (size == 0) {
        return;
    }
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t mapped = (size + page - 1) / page * page;
    void* memory =
        ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        throw std::bad_alloc();
    }
    // Best effort, each of them: the limit of locked memory may be small, the kernel old.
    ::mlock(memory, mapped);
    ::madvise(memory, mapped, MADV_DONTDUMP);
    ::madvise(memory, mapped, MADV_WIPEONFORK);
    data_ = {static_cast<std::uint8_t*>(memory), Wipe{mapped}};
}

void Secret::Wipe::operator()(std::uint8_t* data) const noexcept
{
    wipe({data, mapped});
    ::munmap(data, mapped);
}

Secret Secret::copy_of(ByteSpan bytes)
{
    Secret secret(bytes.size());
    if (!bytes.empty()) {
        std::memcpy(secret.data_.get(), bytes.data(), bytes.size());
    }
    return secret;
}

Secret Secret::random(std::size_t size)
{
    Secret secret(size);
    fill_random(secret.mutable_span());
    return secret;
}

} // namespace backstay::core
