#include "base/aligned_buffer.hpp"

#include <cassert>
#include <new>
#include <sys/mman.h>

namespace backstay::core
{

AlignedBuffer::AlignedBuffer(std::size_t capacity)
    : capacity_((capacity + direct_io_alignment - 1) / direct_io_alignment * direct_io_alignment)
{
    if (capacity_ == 0) {
        return;
    }
    void* memory =
        ::mmap(nullptr, capacity_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        throw std::bad_alloc();
    }
    data_ = {static_cast<std::uint8_t*>(memory), Unmap{capacity_}};
    // A fault for each 4 KiB costs more than filling them; a refusal costs only that.
    ::madvise(memory, capacity_, MADV_HUGEPAGE);
}

void AlignedBuffer::Unmap::operator()(std::uint8_t* data) const noexcept
{
    ::munmap(data, mapped);
}

void AlignedBuffer::append(ByteSpan bytes)
{
    assert(bytes.size() <= room());
    if (!bytes.empty()) {
        std::memcpy(data_.get() + size_, bytes.data(), bytes.size());
        size_ += bytes.size();
    }
}

MutableByteSpan AlignedBuffer::extend(std::size_t size)
{
    assert(size <= room());
    const MutableByteSpan added(data_.get() + size_, size);
    size_ += size;
    return added;
}

void AlignedBuffer::release_pages()
{
    if (data_) {
        ::madvise(data_.get(), capacity_, MADV_DONTNEED);
    }
    size_ = 0;
}

} // namespace backstay::core
