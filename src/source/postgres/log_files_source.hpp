#pragma once

#include "base/file.hpp"
#include "source/data_source.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace backstay::core
{

/// A file of a server's log, open for reading.
struct LogFile {
    std::string name;
    std::shared_ptr<FileDescriptor> file; ///< null: only the parent snapshot has it
    std::uint64_t size = 0;
    std::string hash; ///< its SHA-256 in hexadecimal: what the parent knows it by
};

/// Gives these files, whole; `record` is kept in the snapshot. A file that turns out shorter than
/// it was, or that the parent turns out not to have, makes the verdict `failed`.
std::unique_ptr<DataSource> make_log_files_source(std::vector<LogFile> files, std::string record);

} // namespace backstay::core
