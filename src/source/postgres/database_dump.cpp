#include "source/postgres/database_dump.hpp"

#include "base/error.hpp"

#include <chrono>
#include <fmt/core.h>
#include <thread>
#include <utility>

namespace backstay::core
{

namespace
{

using Part = PostgresArchiveSplitter::Part;

constexpr int times_to_begin = 3;
constexpr std::chrono::milliseconds pause_between{100};

} // namespace

DatabaseDump::DatabaseDump(PostgresDatabase database, std::vector<std::string> arguments,
                           std::chrono::seconds patience, std::stop_token stop)
    : database_(std::move(database)), arguments_(std::move(arguments)), patience_(patience),
      stop_(std::move(stop)), splitter_([this](MutableByteSpan to) { return read_output(to); })
{
    figures_.name = database_.name;
    figures_.encoding = database_.encoding;
    start();
}

void DatabaseDump::start()
{
    for (int attempt = 1;; ++attempt) {
        process_ = std::make_unique<ChildProcess>(
            ChildCommand{arguments_, postgres_program_environment()});
        std::uint8_t byte = 0;
        if (process_->read({&byte, 1}, stop_, static_cast<unsigned>(patience_.count())) == 1) {
            first_byte_ = byte;
            return;
        }
        const ChildProcess::Exit exit = process_->wait(stop_);
        if (attempt == times_to_begin) {
            throw Error(ErrorCode::source,
                        fmt::format("pg_dump {}",
                                    exit.good ? "ended without writing anything" : exit.message),
                        database_.name);
        }
        std::this_thread::sleep_for(pause_between);
    }
}

std::size_t DatabaseDump::read_output(MutableByteSpan buffer)
{
    if (buffer.empty()) {
        return 0;
    }
    std::size_t done = 0;
    if (first_byte_) {
        buffer[done++] = *first_byte_;
        first_byte_.reset();
    }
    return done +
           process_->read(buffer.subspan(done), stop_, static_cast<unsigned>(patience_.count()));
}

std::optional<std::string> DatabaseDump::next()
{
    std::optional<Part> part;
    if (broken_.empty()) {
        try {
            part = splitter_.next();
        } catch (const Error& error) {
            if (error.code() != ErrorCode::damaged) {
                throw;
            }
            broken_ = error.what();
        }
    }
    if (!part) {
        demand_good_end();
        return std::nullopt;
    }
    kind_ = part->kind;
    switch (part->kind) {
    case Part::Kind::contents:
        figures_.archive_version = splitter_.contents()->version();
        return "toc";
    case Part::Kind::whole:
        figures_.why_whole = splitter_.why();
        return "archive";
    case Part::Kind::rows:
        ++figures_.tables;
        break;
    case Part::Kind::block:
        break;
    }
    return "data/" + part->entry->block_name;
}

std::size_t DatabaseDump::read(MutableByteSpan buffer)
{
    if (!broken_.empty()) {
        return 0;
    }
    try {
        const std::size_t got = splitter_.read(buffer);
        figures_.bytes += got;
        return got;
    } catch (const Error& error) {
        if (error.code() != ErrorCode::damaged) {
            throw;
        }
        broken_ = error.what(); // next() knows what pg_dump says of it
        return 0;
    }
}

void DatabaseDump::demand_good_end()
{
    // If its output broke off, its exit status says why; if it still writes, it does not know.
    std::uint8_t more = 0;
    if (process_->read({&more, 1}, stop_, static_cast<unsigned>(patience_.count())) == 0) {
        const ChildProcess::Exit exit = process_->wait(stop_);
        if (!exit.good) {
            throw Error(ErrorCode::source, fmt::format("pg_dump {}", exit.message), database_.name);
        }
    }
    if (!broken_.empty()) {
        throw Error(ErrorCode::source, fmt::format("what pg_dump wrote is no archive: {}", broken_),
                    database_.name);
    }
}

} // namespace backstay::core
