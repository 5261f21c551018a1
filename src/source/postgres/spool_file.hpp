#pragma once

#include "base/bytes.hpp"

#include <cstdio>
#include <memory>

namespace backstay::core
{

struct CloseSpoolFile {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
/// A temporary file without a name, gone with its owner.
using SpoolFile = std::unique_ptr<std::FILE, CloseSpoolFile>;

/// These throw Error, naming the temporary folder.
SpoolFile open_spool_file();
void write_spool(std::FILE* file, ByteSpan bytes);
void flush_spool(std::FILE* file);
/// Short only at the end.
std::size_t read_spool(std::FILE* file, MutableByteSpan buffer);

} // namespace backstay::core
