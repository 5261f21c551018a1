#include "source/postgres/physical_source.hpp"

#include "base/error.hpp"
#include "base/random.hpp"
#include "base/record.hpp"
#include "postgres/conninfo.hpp"
#include "postgres/server_facts.hpp"
#include "postgres/sql_text.hpp"
#include "source/postgres/base_lane.hpp"
#include "source/postgres/log_lane.hpp"
#include "source/postgres/parent_cluster.hpp"

#include <algorithm>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr std::uint32_t base_lane = 0;
constexpr std::uint32_t lane_count = 2;
constexpr std::uint64_t least_rate_kib = 32; // what the server takes
constexpr std::uint64_t most_rate_kib = 1'048'576;
constexpr int first_with_increments = 170000;
constexpr const char* not_in_required_state = "55000";

Timestamp timestamp_of(std::int64_t microseconds)
{
    std::int64_t seconds = microseconds / 1'000'000;
    std::int64_t rest = microseconds % 1'000'000;
    if (rest < 0) {
        --seconds;
        rest += 1'000'000;
    }
    return {seconds, static_cast<std::uint32_t>(rest * 1000)};
}

Record facts_record(const ServerFacts& facts)
{
    Record record;
    record.set("kind", "postgres").set("method", "physical");
    record.set("server_version", facts.version_text).set("version", facts.version);
    record.set("system_id", facts.system_id).set("timeline", facts.timeline);
    record.set("page_size", static_cast<std::uint64_t>(facts.page_size));
    record.set("wal_segment_size", facts.segment_size);
    record.set("checksums", facts.has_checksums);
    record.set("folder_mode", fmt::format("{:04o}", facts.folder_mode));
    Record settings;
    for (const auto& [name, value] : facts.settings) {
        settings.set(name, value);
    }
    return std::move(record.set("settings", std::move(settings)));
}

/// The server does not say why it ends the connection of a slot that keeps more of its log than it
/// may.
Error log_failure(const Error& error, const ServerFacts& facts, const char* advice)
{
    const auto limit =
        std::find_if(facts.settings.begin(), facts.settings.end(), [](const auto& setting) {
            return setting.first == "max_slot_wal_keep_size" && setting.second != "-1";
        });
    if (error.code() != ErrorCode::source || limit == facts.settings.end()) {
        return error;
    }
    return Error(error.code(),
                 fmt::format("the server's log does not come any more: {}; it ends a backup that "
                             "falls behind by more than max_slot_wal_keep_size ({}): if its own "
                             "log tells that it released the slot, {}",
                             error.what(), limit->second, advice),
                 error.subject());
}

/// What one session holds; the lanes before the connections that they use.
struct Running {
    ServerFacts facts;
    std::unique_ptr<PostgresConnection> base_connection;
    std::unique_ptr<PostgresConnection> log_connection;
    std::unique_ptr<ParentCluster> parent; ///< of an incremental backup
    std::string why_not;                   ///< it is none, though it was asked for
    std::unique_ptr<BaseBackup> backup;
    std::unique_ptr<PostgresBaseLane> base;
    std::unique_ptr<PostgresLogLane> log;
    LogPosition log_begin = 0;
    Timestamp started;
    std::exception_ptr failures[lane_count]; ///< of a lane, which then gives nothing more
};

class PostgresPhysicalSource final : public DataSource
{
    /// A lane whose connection broke has nothing more to give, whatever became of one entry.
    template <typename Body>
    auto guarded(std::uint32_t lane, Body&& body)
    {
        std::exception_ptr& failure = running_->failures[lane];
        if (failure) {
            std::rethrow_exception(failure);
        }
        try {
            return body();
        } catch (const ParentUnreadable& error) {
            unreadable_parent_ = error.what();
            failure = std::current_exception();
        } catch (const Error& error) {
            failure = std::make_exception_ptr(
                lane == base_lane ? error : log_failure(error, running_->facts, "raise that"));
        } catch (...) {
            failure = std::current_exception();
        }
        std::rethrow_exception(failure);
    }

public:
    explicit PostgresPhysicalSource(PostgresPhysicalOptions options) : options_(std::move(options))
    {
        check_postgres_conninfo(options_.conninfo);
        const bool possible = options_.rate_kib == 0 || (options_.rate_kib >= least_rate_kib &&
                                                         options_.rate_kib <= most_rate_kib);
        if (!possible) {
            throw Error(ErrorCode::invalid,
                        "PostgreSQL limits a backup to 32 KiB up to 1 GiB a second, no less and no "
                        "more");
        }
    }

    std::string probe(const std::stop_token& stop) override
    {
        PostgresConnection connection(connect_options(), stop);
        Record record = facts_record(read_server_facts(connection));
        return record.set("scope", "cluster").json();
    }

    SessionPlan open(SnapshotView* parent, ProblemSink problems, std::stop_token stop) override
    {
        auto running = std::make_unique<Running>();
        running->started = system_clock().now();
        running->base_connection = std::make_unique<PostgresConnection>(connect_options(), stop);
        running->facts = read_server_facts(*running->base_connection);
        if (options_.incremental) {
            demand_summaries(running->facts);
            ParentCluster::Found found = unreadable_parent_.empty()
                                             ? ParentCluster::find(parent, running->facts, stop)
                                             : ParentCluster::Found{nullptr, unreadable_parent_};
            running->parent = std::move(found.parent);
            running->why_not = std::move(found.why_not);
        }
        running->log_connection = std::make_unique<PostgresConnection>(connect_options(), stop);
        const std::string slot = make_slot(*running->log_connection);
        start_backup(*running);
        try {
            start_log(*running, slot);
        } catch (const Error& error) {
            throw log_failure(error, running->facts,
                              "raise that, or begin again at once with a fast checkpoint: what was "
                              "written since the last one counts");
        }
        start_base(*running, std::move(problems), stop);

        SessionPlan plan;
        plan.lanes = lane_count;
        for (const BaseBackup::Tablespace& tablespace : running->backup->tablespaces()) {
            plan.bytes += tablespace.bytes;
        }
        running_ = std::move(running);
        return plan;
    }

    std::optional<SourceEntry> next(std::uint32_t lane) override
    {
        return guarded(lane, [&] {
            return lane == base_lane ? running_->base->next() : running_->log->next();
        });
    }

    std::size_t read(std::uint32_t lane, std::uint64_t item, std::uint64_t offset,
                     MutableByteSpan buffer) override
    {
        return guarded(lane, [&] {
            return lane == base_lane ? running_->base->read(item, offset, buffer)
                                     : running_->log->read(item, offset, buffer);
        });
    }

    std::optional<SnapshotStream::Extent> next_data(std::uint32_t, std::uint64_t,
                                                    std::uint64_t) override
    {
        return std::nullopt;
    }

    std::optional<SnapshotStream::Extent> next_kept(std::uint32_t lane, std::uint64_t item,
                                                    std::uint64_t offset) override
    {
        return lane == base_lane ? running_->base->next_kept(item, offset) : std::nullopt;
    }

    Outcome outcome(std::uint32_t, std::uint64_t, Entry&) override { return Outcome::stable; }

    void release(std::uint32_t lane, std::uint64_t item) override
    {
        if (running_->failures[lane]) {
            return; // next() tells
        }
        guarded(lane, [&] {
            if (lane == base_lane) {
                running_->base->release(item);
            } else {
                running_->log->release(item);
            }
            return true;
        });
    }

    SourceVerdict finish() override
    {
        const Manifest manifest = running_->base->check_manifest();
        check_system(manifest);
        check_log(manifest);
        const PostgresBaseLane::Damage& damage = running_->base->damage();
        SourceVerdict verdict;
        verdict.kind = SourceVerdict::Kind::ok;
        if (damage.pages > 0) {
            verdict.kind = SourceVerdict::Kind::damaged;
            verdict.message =
                fmt::format("{} page(s) in {} file(s) of the cluster do not fit their "
                            "checksums: they are damaged on the server",
                            damage.pages, damage.files);
        } else if (damage.server_agrees) {
            verdict.kind = SourceVerdict::Kind::damaged;
            verdict.message =
                "the server found pages that do not fit their checksums: its log names "
                "them";
        } else if (!running_->why_not.empty()) {
            verdict.message =
                fmt::format("the server sent everything, because {}", running_->why_not);
        }
        verdict.record = record();
        return verdict;
    }

    void settle(bool) override { running_.reset(); }

private:
    PostgresConnectOptions connect_options() const
    {
        PostgresConnectOptions options;
        options.conninfo = options_.conninfo;
        options.session = PostgresConnectOptions::Session::replication;
        return options;
    }

    /// Before the backup begins, so that no log it needs can be gone. Ends with the connection.
    static std::string make_slot(PostgresConnection& connection)
    {
        Bytes unique(8);
        fill_random(unique);
        std::string slot = "backstay_" + to_hex(unique);
        try {
            connection.query(
                fmt::format("CREATE_REPLICATION_SLOT {} TEMPORARY PHYSICAL RESERVE_WAL",
                            postgres_identifier(slot)));
        } catch (const Error& error) {
            if (connection.sqlstate() != "53400") {
                throw;
            }
            throw Error(ErrorCode::busy,
                        fmt::format("{}: a physical backup takes a slot while it runs: raise "
                                    "max_replication_slots, or drop one",
                                    error.what()),
                        error.subject());
        }
        return slot;
    }

    static void demand_summaries(const ServerFacts& facts)
    {
        if (facts.version < first_with_increments) {
            throw Error(ErrorCode::unsupported,
                        fmt::format("this is PostgreSQL {}: incremental backups need 17 or later; "
                                    "leave --incremental out",
                                    facts.version_text));
        }
        const bool has_summaries =
            std::find(facts.settings.begin(), facts.settings.end(),
                      std::pair<std::string, std::string>("summarize_wal", "on")) !=
            facts.settings.end();
        if (!has_summaries) {
            throw Error(ErrorCode::source,
                        "summarize_wal is off: incremental backups need it on (ALTER SYSTEM SET "
                        "summarize_wal = on, then SELECT pg_reload_conf())");
        }
    }

    /// A server that cannot tell what changed since the parent, as when its summaries of the log
    /// are gone, is asked for everything.
    void start_backup(Running& running) const
    {
        BaseBackupOptions options;
        options.fast_checkpoint = options_.fast_checkpoint;
        options.rate_kib = options_.rate_kib;
        options.incremental = running.parent != nullptr;
        PostgresConnection& connection = *running.base_connection;
        if (options.incremental) {
            running.parent->upload(connection);
            try {
                running.backup = std::make_unique<BaseBackup>(connection, options);
                return;
            } catch (const Error& error) {
                if (connection.sqlstate() != not_in_required_state) {
                    throw;
                }
                running.why_not = error.what();
            }
            while (connection.next_result() != PostgresConnection::Kind::none) {
            }
            running.parent.reset();
            options.incremental = false;
        }
        running.backup = std::make_unique<BaseBackup>(connection, options);
    }

    static void start_log(Running& running, const std::string& slot)
    {
        const std::uint64_t size = running.facts.segment_size;
        const std::uint32_t timeline = running.backup->timeline();
        const LogSegment first = segment_at(timeline, running.backup->begin(), size);
        running.log_begin = segment_begin(first, size);
        PostgresLogLane::Options options;
        options.start = {slot, running.log_begin, timeline};
        options.segment_size = size;
        // A synchronous standby's word would make commits count that we may still lose.
        options.acknowledge = !running.facts.has_synchronous_standbys;
        if (timeline > 1) {
            const PostgresRows history =
                running.log_connection->query(fmt::format("TIMELINE_HISTORY {}", timeline));
            options.history_name = timeline_history_name(timeline);
            const ByteSpan text = as_bytes(history.text(0, 1));
            options.history.assign(text.begin(), text.end());
        }
        running.log =
            std::make_unique<PostgresLogLane>(*running.log_connection, std::move(options));
    }

    static void start_base(Running& running, ProblemSink problems, std::stop_token stop)
    {
        PostgresBaseLane::Options options;
        options.parent = running.parent.get();
        options.bounds = {running.facts.page_size, running.facts.segment_blocks};
        options.stop = std::move(stop);
        if (running.facts.has_checksums) {
            options.pages = PageCheck::Settings{
                running.facts.page_size, running.facts.segment_blocks, running.backup->begin()};
        }
        options.problems = std::move(problems);
        options.ended = [&log = *running.log](LogPosition end) { log.set_end(end); };
        running.base = std::make_unique<PostgresBaseLane>(*running.backup, std::move(options));
    }

    void check_system(const Manifest& manifest) const
    {
        const bool is_other =
            manifest.system_id && std::to_string(*manifest.system_id) != running_->facts.system_id;
        if (is_other) {
            throw Error(ErrorCode::source, "the server's manifest is of another cluster");
        }
    }

    void check_log(const Manifest& manifest) const
    {
        const LogPosition end = running_->log->position();
        bool is_whole = end >= running_->base->end();
        for (const Manifest::Range& range : manifest.log) {
            is_whole = is_whole && range.begin >= running_->log_begin && range.end <= end;
        }
        if (!is_whole) {
            throw Error(ErrorCode::source,
                        fmt::format("the log from {} to {} is not enough for this backup",
                                    format_log_position(running_->log_begin),
                                    format_log_position(end)));
        }
    }

    std::string record() const
    {
        const Running& run = *running_;
        Record record = facts_record(run.facts);
        record.set("timeline", run.backup->timeline());
        record.set("begin", format_log_position(run.backup->begin()));
        record.set("end", format_log_position(run.base->end()));
        record.set("wal_begin", format_log_position(run.log_begin));
        record.set("wal_end", format_log_position(run.log->position()));
        record.set("started", run.started);
        record.set("ended", timestamp_of(run.log->server_time()));
        record.set("damaged_pages", run.base->damage().pages);
        record.set("damage_in_log", run.base->damage().server_agrees);
        record.set("incremental", run.parent != nullptr);
        Record spaces = Record::list();
        for (const BaseBackup::Tablespace& tablespace : run.backup->tablespaces()) {
            if (tablespace.oid != 0) {
                Record space;
                space.set("oid", static_cast<std::uint64_t>(tablespace.oid));
                space.set("location", RawText{tablespace.location});
                spaces.add(std::move(space));
            }
        }
        record.set("tablespaces", std::move(spaces));
        return record.json();
    }

    const PostgresPhysicalOptions options_;
    std::string unreadable_parent_; ///< what an earlier session found; "": nothing
    std::unique_ptr<Running> running_;
};

} // namespace

std::unique_ptr<DataSource> make_postgres_physical_source(PostgresPhysicalOptions options)
{
    return std::make_unique<PostgresPhysicalSource>(std::move(options));
}

} // namespace backstay::core
