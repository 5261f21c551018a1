#pragma once

#include "base/child_process.hpp"
#include "postgres/archive_splitter.hpp"
#include "source/postgres/dump_preflight.hpp"

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace backstay::core
{

/// What a dump turned out to hold.
struct DatabaseFigures {
    std::string name;
    std::string encoding;
    std::string archive_version; ///< of the archive's format; empty: not known
    std::string why_whole;       ///< why it stays one stream; empty: it was taken apart
    std::uint64_t tables = 0;    ///< with data
    std::uint64_t bytes = 0;     ///< given
};

/// One pg_dump and the parts of its archive. One thread at a time.
class DatabaseDump
{
public:
    /// `arguments`: of pg_dump, with the program. Begun again if it fails before its first byte.
    /// Throws Error{source} with what it said.
    DatabaseDump(PostgresDatabase database, std::vector<std::string> arguments,
                 std::chrono::seconds patience, std::stop_token stop);

    /// The path of the next part, below the database's folder; empty once pg_dump has ended well.
    /// Throws Error{source} if it did not.
    std::optional<std::string> next();
    /// What the part is made of. Valid until the next one.
    PostgresArchiveSplitter::Part::Kind kind() const { return kind_; }
    /// Bytes of the part: short only at its end, or where pg_dump failed, which next() tells.
    std::size_t read(MutableByteSpan buffer);
    void ask_to_end() noexcept { process_->ask_to_end(); }
    const DatabaseFigures& figures() const { return figures_; }

private:
    void start();
    std::size_t read_output(MutableByteSpan buffer);
    void demand_good_end();

    PostgresDatabase database_;
    std::vector<std::string> arguments_;
    std::chrono::seconds patience_;
    std::stop_token stop_;
    std::unique_ptr<ChildProcess> process_;
    std::optional<std::uint8_t> first_byte_; ///< read to know that it works
    PostgresArchiveSplitter splitter_;
    PostgresArchiveSplitter::Part::Kind kind_ = PostgresArchiveSplitter::Part::Kind::contents;
    std::string broken_; ///< why its output is no archive
    DatabaseFigures figures_;
};

} // namespace backstay::core
