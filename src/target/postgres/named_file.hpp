#pragma once

#include "base/bytes.hpp"

#include <string>

namespace backstay::core
{

/// A temporary file that another program opens by its name. Removed at the end.
class NamedFile
{
public:
    /// Throws Error{no_space, storage}.
    explicit NamedFile(ByteSpan content);
    ~NamedFile();
    NamedFile(const NamedFile&) = delete;
    NamedFile& operator=(const NamedFile&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

} // namespace backstay::core
