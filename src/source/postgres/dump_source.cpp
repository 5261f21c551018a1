#include "source/postgres/dump_source.hpp"

#include "base/record.hpp"
#include "base/worker_group.hpp"
#include "postgres/archive_names.hpp"
#include "postgres/connection.hpp"
#include "postgres/conninfo.hpp"
#include "source/postgres/database_dump.hpp"
#include "source/postgres/dump_preflight.hpp"

#include <algorithm>
#include <atomic>
#include <fmt/core.h>
#include <mutex>
#include <unistd.h>
#include <utility>

namespace backstay::core
{

namespace
{

constexpr std::size_t largest_globals = 64 * MiB;
constexpr std::uint32_t rows_chunk = 64 * KiB; ///< a changed row costs about so much
constexpr std::chrono::seconds longest_silence{3600};

SourceEntry file_entry(std::string path)
{
    SourceEntry entry;
    entry.entry.path = std::move(path);
    entry.entry.kind = EntryKind::file;
    entry.entry.mode = 0600;
    entry.entry.user_id = ::geteuid();
    entry.entry.group_id = ::getegid();
    entry.sequential = true;
    return entry;
}

/// The database that is dumped in a lane, and what is given of it.
struct Lane {
    std::string globals; ///< what is left to give
    bool gives_globals = false;
    std::string folder;
    std::unique_ptr<DatabaseDump> dump;
};

class PostgresDumpSource : public DataSource
{
public:
    explicit PostgresDumpSource(PostgresDumpOptions options) : options_(std::move(options))
    {
        check_postgres_conninfo(options_.conninfo);
    }

    std::string probe(const std::stop_token& stop) override
    {
        const PostgresDumpPlan plan = plan_postgres_dump(options_, stop);
        Record databases = Record::list();
        for (const PostgresDatabase& database : plan.databases) {
            databases.add(Record()
                              .set("name", RawText{database.name})
                              .set("bytes", database.bytes)
                              .set("encoding", database.encoding));
        }
        Record record;
        record.set("kind", "postgres").set("method", "logical").set("scope", "database");
        record.set("server_version", plan.server_version).set("pg_dump", plan.dump.version);
        record.set("role_passwords", plan.role_passwords).set("databases", databases);
        return record.json();
    }

    SessionPlan open(SnapshotView*, ProblemSink problems, std::stop_token stop) override
    {
        stop_ = std::move(stop);
        problems_ = std::move(problems);
        plan_ = plan_postgres_dump(options_, stop_);
        figures_.clear();
        vanished_ = 0;
        next_database_ = 0;
        if (plan_.passwords_denied) {
            tell(ErrorCode::denied, "globals.sql",
                 "this user may not read the roles' passwords: they are not saved (say that they "
                 "are not wanted, or connect as a superuser)");
        }
        const std::size_t lanes = std::clamp<std::size_t>(options_.jobs, 1, plan_.databases.size());
        lanes_.clear();
        lanes_.resize(lanes);
        globals_given_ = false;
        SessionPlan session;
        session.lanes = static_cast<std::uint32_t>(lanes);
        for (const PostgresDatabase& database : plan_.databases) {
            session.bytes += database.bytes;
        }
        return session;
    }

    std::optional<SourceEntry> next(std::uint32_t number) override
    {
        Lane& lane = lanes_.at(number);
        if (number == 0 && !std::exchange(globals_given_, true)) {
            lane.globals = dump_globals();
            lane.gives_globals = true;
            return file_entry("globals.sql");
        }
        lane.gives_globals = false;
        while (true) {
            if (lane.dump) {
                if (const std::optional<std::string> path = lane.dump->next()) {
                    return entry_of(lane, *path);
                }
                keep_figures(lane.dump->figures());
                lane.dump.reset();
            }
            const std::size_t index = next_database_.fetch_add(1);
            if (index >= plan_.databases.size()) {
                return std::nullopt;
            }
            begin(lane, plan_.databases[index]);
        }
    }

    std::size_t read(std::uint32_t number, std::uint64_t, std::uint64_t,
                     MutableByteSpan buffer) override
    {
        Lane& lane = lanes_.at(number);
        if (!lane.gives_globals) {
            return lane.dump->read(buffer);
        }
        const std::size_t size = std::min(buffer.size(), lane.globals.size());
        std::copy_n(lane.globals.begin(), size, buffer.begin());
        lane.globals.erase(0, size);
        return size;
    }

    std::optional<SnapshotStream::Extent> next_data(std::uint32_t, std::uint64_t,
                                                    std::uint64_t) override
    {
        return std::nullopt; // streams have no holes
    }

    Outcome outcome(std::uint32_t, std::uint64_t, Entry&) override { return Outcome::stable; }
    void release(std::uint32_t, std::uint64_t) override {}

    SourceVerdict finish() override
    {
        SourceVerdict verdict;
        if (figures_.size() + vanished_ != plan_.databases.size()) {
            verdict.message = "not every database was dumped to its end";
            return verdict;
        }
        verdict.kind = SourceVerdict::Kind::ok;
        for (const DatabaseFigures& database : figures_) {
            if (!database.why_whole.empty()) {
                verdict.message += fmt::format(
                    "{}database '{}' is kept as one stream, not by its tables: of its "
                    "archive, {}",
                    verdict.message.empty() ? "" : "; ", database.name, database.why_whole);
            }
        }
        verdict.record = record();
        return verdict;
    }

    void settle(bool) override
    {
        for (const Lane& lane : lanes_) {
            if (lane.dump) {
                lane.dump->ask_to_end();
            }
        }
        lanes_.clear(); // ends what still runs
        problems_ = {};
        stop_ = {};
    }

private:
    void tell(ErrorCode code, const std::string& path, const std::string& message) const
    {
        if (problems_) {
            problems_({code, path, message});
        }
    }

    std::string dump_globals()
    {
        std::vector<std::string> arguments{
            plan_.dump_globals.path, "--globals-only", "--no-password", "--quote-all-identifiers",
            "--dbname=" + postgres_conninfo_for(options_.conninfo, "postgres")};
        if (!plan_.role_passwords) {
            arguments.emplace_back("--no-role-passwords");
        }
        ChildProcess process({arguments, postgres_program_environment()});
        const Bytes output = process.read_all(largest_globals, stop_,
                                              static_cast<unsigned>(longest_silence.count()));
        if (const ChildProcess::Exit exit = process.wait(stop_); !exit.good) {
            throw Error(ErrorCode::source, fmt::format("pg_dumpall {}", exit.message));
        }
        return std::string(as_text(output));
    }

    void begin(Lane& lane, const PostgresDatabase& database)
    {
        const auto lock_milliseconds =
            std::chrono::duration_cast<std::chrono::milliseconds>(options_.lock_patience).count();
        std::vector<std::string> arguments{
            plan_.dump.path,
            "--format=custom",
            "--compress=0", // so that it deduplicates
            "--no-password",
            "--quote-all-identifiers",
            fmt::format("--lock-wait-timeout={}", lock_milliseconds),
            "--dbname=" + postgres_conninfo_for(options_.conninfo, database.name)};
        const auto add = [&arguments](const char* option, const std::vector<std::string>& values) {
            for (const std::string& value : values) {
                arguments.push_back(option + value);
            }
        };
        add("--exclude-schema=", options_.exclude_schemas);
        add("--exclude-table=", options_.exclude_tables);
        add("--exclude-table-data=", options_.exclude_table_data);
        lane.folder = escape_postgres_name(database.name);
        try {
            lane.dump = std::make_unique<DatabaseDump>(
                database, std::move(arguments),
                std::max(longest_silence, options_.lock_patience * 2), stop_);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::source || !has_vanished(database.name)) {
                throw;
            }
            ++vanished_;
            tell(ErrorCode::not_found, lane.folder, "the database was dropped meanwhile");
        }
    }

    /// One that nobody asked for by its name may come and go.
    bool has_vanished(const std::string& database) const
    {
        return options_.databases.empty() && !has_postgres_database(options_, database, stop_);
    }

    static SourceEntry entry_of(const Lane& lane, const std::string& path)
    {
        SourceEntry entry = file_entry(lane.folder + "/" + path);
        if (lane.dump->kind() == PostgresArchiveSplitter::Part::Kind::rows) {
            entry.policy = {ChunkPolicy::Kind::cdc, rows_chunk};
        }
        return entry;
    }

    void keep_figures(const DatabaseFigures& figures)
    {
        const std::lock_guard lock(mutex_);
        figures_.push_back(figures);
    }

    std::string record()
    {
        std::sort(figures_.begin(), figures_.end(),
                  [](const auto& a, const auto& b) { return a.name < b.name; });
        Record databases = Record::list();
        for (const DatabaseFigures& database : figures_) {
            databases.add(Record()
                              .set("name", RawText{database.name})
                              .set("encoding", database.encoding)
                              .set("archive", database.archive_version)
                              .set("split", database.why_whole.empty())
                              .set("tables", database.tables)
                              .set("bytes", database.bytes));
        }
        Record record;
        record.set("kind", "postgres").set("method", "logical").set("scope", "database");
        record.set("server_version", plan_.server_version).set("pg_dump", plan_.dump.version);
        record.set("role_passwords", plan_.role_passwords).set("databases", databases);
        record.set("exclude_schemas", options_.exclude_schemas)
            .set("exclude_tables", options_.exclude_tables)
            .set("exclude_table_data", options_.exclude_table_data);
        return record.json();
    }

    const PostgresDumpOptions options_;
    std::stop_token stop_;
    ProblemSink problems_;
    PostgresDumpPlan plan_;
    std::vector<Lane> lanes_;
    bool globals_given_ = false; ///< lane 0's
    std::atomic<std::size_t> next_database_{0};
    std::atomic<std::size_t> vanished_{0};
    std::mutex mutex_; // guards figures_ while lanes run
    std::vector<DatabaseFigures> figures_;
};

} // namespace

std::unique_ptr<DataSource> make_postgres_dump_source(PostgresDumpOptions options)
{
    return std::make_unique<PostgresDumpSource>(std::move(options));
}

} // namespace backstay::core
