#pragma once

#include "base/bytes.hpp"

#include <memory>

namespace backstay::core
{

/// Bytes that wipe themselves, live in pages of their own that are locked where the limit allows it
/// and kept out of core dumps (MADV_DONTDUMP) and of child processes (MADV_WIPEONFORK). Movable.
class Secret
{
public:
    Secret() = default;
    /// Zeroes, to be filled through mutable_span().
    explicit Secret(std::size_t size);
    static Secret copy_of(ByteSpan bytes);
    static Secret random(std::size_t size);

    ByteSpan span() const { return {data_.get(), size_}; }
    MutableByteSpan mutable_span() { return {data_.get(), size_}; }
    bool empty() const { return size_ == 0; }
    Secret clone() const { return copy_of(span()); }

private:
    struct Wipe {
        Wipe() : mapped(0) {}
        explicit Wipe(std::size_t size) : mapped(size) {}
        std::size_t mapped;
        void operator()(std::uint8_t* data) const noexcept;
    };
    std::unique_ptr<std::uint8_t, Wipe> data_;
    std::size_t size_ = 0;
};

/// Overwrites in a way the compiler keeps.
void wipe(MutableByteSpan bytes) noexcept;

} // namespace backstay::core
