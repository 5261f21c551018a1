#pragma once

#include "repo/tree_writer.hpp"

#include <memory>
#include <string>

namespace backstay::core {

/// Takes entries in any order, from any thread, and builds the tree: sorts in memory up to `memory` bytes, beyond that in sorted runs in unnamed temporary files.
class EntrySorter {
public:
    EntrySorter(std::size_t memory, std::string temporary_folder);
    ~EntrySorter();
    /// Thread-safe.
    void add(const Entry& entry);
    /// Every entry in path_less order. Of several with one path the last added wins; `twice` is told each path that came more than once. Once.
    void drain(const std::function<void(Entry)>& each, const std::function<void(const std::string&)>& twice);
    std::uint64_t entries() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace backstay::core
