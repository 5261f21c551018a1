#pragma once

#include "format/entry.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace backstay::core
{

/// Takes entries in any order, from any thread, and gives them back sorted: in memory up to
/// `memory` bytes, beyond that in sorted runs in an unnamed temporary file.
class EntrySorter
{
public:
    EntrySorter(std::size_t memory, std::string temporary_folder);
    ~EntrySorter();
    /// Thread-safe. Throws Error{invalid} for a path that cannot stand in a tree, Error{storage,
    /// no_space} if the temporary file cannot be written.
    void add(const Entry& entry);
    /// Every entry in path_less order, as encode_entry() writes it. Of several with one path the last added wins; `twice` is
    /// told each path that came more than once. Once, and the last call but the destructor.
    void drain(const std::function<void(ByteSpan encoded)>& each,
               const std::function<void(const std::string&)>& twice);
    /// How many were added.
    std::uint64_t entries() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace backstay::core
