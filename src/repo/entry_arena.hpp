#pragma once

#include "base/bytes.hpp"

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace backstay::core
{

/// The path that an encoded entry begins with.
std::string_view encoded_entry_path(ByteSpan encoded);

/// Encoded entries in memory that can be given back in path_less order, those with one path in the
/// order in which they came. One thread at a time.
class EntryArena
{
public:
    explicit EntryArena(std::size_t block_size) : block_size_(block_size) {}
    void add(ByteSpan encoded);
    /// Sorts, gives each and is empty then. What `each` gets is valid for the call.
    void drain(const std::function<void(ByteSpan)>& each);
    bool empty() const { return slots_.empty(); }
    /// Bytes taken, about.
    std::size_t memory() const { return memory_; }

    /// An entry's place, and eight bytes of its path: those that its neighbours are sorted by.
    struct Slot {
        std::uint64_t key;
        std::uint64_t place; ///< block << 32 | offset: grows with every entry
    };

private:
    ByteSpan record(const Slot& slot) const;
    std::string_view path(const Slot& slot) const { return encoded_entry_path(record(slot)); }
    void sort();
    void sort_few(Slot* begin, Slot* end, std::size_t depth) const;

    std::size_t block_size_;
    std::vector<std::unique_ptr<std::uint8_t[]>> blocks_;
    std::size_t capacity_ = 0; ///< of the last block
    std::size_t used_ = 0;     ///< of the last block
    std::size_t memory_ = 0;
    std::vector<Slot> slots_;
};

} // namespace backstay::core
