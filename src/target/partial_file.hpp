#pragma once

#include "base/file.hpp"

#include <string>

namespace backstay::core
{

/// A file that is written beside its place ("PATH.partial-…") and is put there when it is whole;
/// else it goes away. One thread at a time.
class PartialFile
{
public:
    /// Throws Error{not_found, denied, no_space, target}.
    explicit PartialFile(std::string path);
    ~PartialFile();
    PartialFile(const PartialFile&) = delete;
    PartialFile& operator=(const PartialFile&) = delete;

    int descriptor() const { return descriptor_.get(); }

    enum class Existing { stays, is_replaced };
    /// Durable afterwards. Throws Error (exists: something is there, and stays).
    void put_in_place(Existing existing);

private:
    int rename_beside() const;

    const std::string path_;
    std::string partial_; ///< empty: it is in its place
    FileDescriptor descriptor_;
};

} // namespace backstay::core
