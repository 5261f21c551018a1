#pragma once

#include "base/bytes.hpp"

#include <memory>

namespace backstay::core
{

inline constexpr std::size_t direct_io_alignment = 4096;

/// A buffer of fixed capacity, aligned and padded for O_DIRECT: the capacity is a multiple of
/// direct_io_alignment, and bytes between size and capacity may be read. Its pages go back to the
/// kernel with release_pages(). Movable.
class AlignedBuffer
{
public:
    AlignedBuffer() = default;
    explicit AlignedBuffer(std::size_t capacity);

    ByteSpan span() const { return {data_.get(), size_}; }
    std::uint8_t* data() { return data_.get(); }
    std::size_t size() const { return size_; }
    std::size_t capacity() const { return capacity_; }
    std::size_t room() const { return capacity_ - size_; }
    /// Requires: bytes.size() <= room().
    void append(ByteSpan bytes);
    /// Makes it longer by bytes of any value, to be written by the caller. Requires: size <= room().
    MutableByteSpan extend(std::size_t size);
    void clear() { size_ = 0; }
    /// Gives the memory back to the kernel; the buffer stays usable, and is empty.
    void release_pages();

private:
    struct Unmap {
        Unmap() : mapped(0) {}
        explicit Unmap(std::size_t size) : mapped(size) {}
        std::size_t mapped;
        void operator()(std::uint8_t* data) const noexcept;
    };
    std::unique_ptr<std::uint8_t, Unmap> data_;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

} // namespace backstay::core
