#pragma once

#include "base/bytes.hpp"

#include <cstdint>
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
/// To be read from here on, with what was written before.
void seek_spool(std::FILE* file, std::uint64_t offset);
/// Short only at the end.
std::size_t read_spool(std::FILE* file, MutableByteSpan buffer);

} // namespace backstay::core
