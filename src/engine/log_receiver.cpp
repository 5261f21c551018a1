#include "engine/log_receiver.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "engine/log_archive.hpp"
#include "engine/log_push.hpp"
#include "postgres/conninfo.hpp"
#include "postgres/log_file.hpp"
#include "postgres/log_stream.hpp"
#include "postgres/server_facts.hpp"
#include "postgres/sql_text.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <fmt/core.h>
#include <mutex>

namespace backstay::core
{

namespace
{

constexpr auto look_up_after = std::chrono::seconds(1);
constexpr auto first_pause = std::chrono::seconds(1);
constexpr auto longest_pause = std::chrono::seconds(60);
constexpr const char* duplicate_object = "42710";
constexpr const char* undefined_file = "58P01"; // a segment that has gone
constexpr const char* wrong_slot_state = "55000";

/// What trying again cannot change.
bool is_final(ErrorCode code)
{
    return code == ErrorCode::cancelled || code == ErrorCode::conflict ||
           code == ErrorCode::invalid || code == ErrorCode::unsupported || code == ErrorCode::key ||
           code == ErrorCode::internal || code == ErrorCode::no_memory;
}

void pause(std::chrono::seconds duration, const std::stop_token& stop)
{
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    wake.wait_for(lock, stop, duration, [] { return false; });
    throw_if_stopped(stop);
}

/// A segment that is being received.
class OpenSegment
{
public:
    OpenSegment(std::string name, const std::string& folder)
    {
        file_.name = std::move(name);
        file_.file = std::make_shared<FileDescriptor>(open_unnamed_file(folder));
    }
    void write(std::uint64_t offset, ByteSpan bytes)
    {
        write_at(file_.file->get(), offset, bytes, file_.name);
        file_.size = offset + bytes.size();
    }
    const LogFile& file() const { return file_; }

private:
    LogFile file_;
};

/// One connection's worth of receiving.
class Reception
{
public:
    Reception(Repository& repository, const LogReceiveOptions& options, const EngineLimits& limits,
              JobContext& context, bool& was_streaming)
        : repository_(repository), options_(options), limits_(limits), context_(context),
          was_streaming_(was_streaming), connection_(connect_options(options), context.stop()),
          facts_(read_server_facts(connection_))
    {
        if (options_.create_slot) {
            create_slot();
        }
        choose_start();
    }

    [[noreturn]] void run()
    {
        for (;;) {
            store_history();
            const auto next = receive_timeline();
            if (!next) {
                throw Error(ErrorCode::source, "the server stopped sending its log",
                            connection_.server_name());
            }
            timeline_ = next->timeline;
            position_ = segment_begin(segment_at(timeline_, next->position, facts_.segment_size),
                                      facts_.segment_size);
        }
    }

private:
    std::optional<LogStream::Next> receive_timeline()
    {
        try {
            LogStream stream(connection_, {options_.slot, position_, timeline_});
            was_streaming_ = true;
            receive(stream);
            return stream.finish();
        } catch (const Error& error) {
            if (!is_log_lost(error)) {
                throw;
            }
            throw Error(ErrorCode::conflict,
                        fmt::format("{}: the log from {} on is lost. Drop the slot "
                                    "(pg_drop_replication_slot), begin again with --create-slot "
                                    "--skip-gap, and then take a new physical backup",
                                    error.what(), format_log_position(position_)),
                        error.subject());
        }
    }

    /// The server has thrown away what comes next, or the whole slot's log. A slot of another kind
    /// has the second state, too, and is not ours to be dropped.
    bool is_log_lost(const Error& error) const
    {
        const std::string& state = connection_.sqlstate();
        return state == undefined_file ||
               (state == wrong_slot_state &&
                std::string_view(error.what()).find("invalidated") != std::string_view::npos);
    }

    static PostgresConnectOptions connect_options(const LogReceiveOptions& options)
    {
        PostgresConnectOptions result;
        result.conninfo = options.conninfo;
        result.session = PostgresConnectOptions::Session::replication;
        return result;
    }

    void create_slot()
    {
        try {
            connection_.query(fmt::format("CREATE_REPLICATION_SLOT {} PHYSICAL RESERVE_WAL",
                                          postgres_identifier(options_.slot)));
        } catch (const Error&) {
            if (connection_.sqlstate() != duplicate_object) {
                throw;
            }
        }
    }

    /// Behind what the repository has, on the newest timeline that it has; else where the slot
    /// begins, or the server's segment of this moment.
    void choose_start()
    {
        const SnapshotList list = list_snapshots(repository_, context_.stop());
        const LogArchive archive(list, facts_.system_id);
        for (timeline_ = facts_.timeline; timeline_ > 0; --timeline_) {
            const auto last =
                parse_segment_name(archive.last_segment(timeline_), facts_.segment_size);
            if (last) {
                position_ = segment_begin(*last, facts_.segment_size) + facts_.segment_size;
                skip_gap();
                return;
            }
        }
        timeline_ = facts_.timeline;
        position_ = first_kept();
    }

    /// The first segment that the slot keeps for us.
    LogPosition first_kept()
    {
        const LogPosition from = slot_position().value_or(facts_.position);
        return segment_begin(segment_at(facts_.timeline, from, facts_.segment_size),
                             facts_.segment_size);
    }

    void skip_gap()
    {
        const LogPosition kept = options_.skip_gap ? first_kept() : 0;
        if (kept <= position_) {
            return;
        }
        Record notice("notice");
        notice.set("message",
                   fmt::format("the log from {} to {} is lost: only backups after it can be "
                               "recovered beyond it",
                               format_log_position(position_), format_log_position(kept)));
        context_.emit(std::move(notice));
        timeline_ = facts_.timeline;
        position_ = kept;
    }

    std::optional<LogPosition> slot_position()
    {
        if (facts_.version < 150000) {
            return std::nullopt; // READ_REPLICATION_SLOT came with 15
        }
        const PostgresRows rows = connection_.query(
            fmt::format("READ_REPLICATION_SLOT {}", postgres_identifier(options_.slot)));
        if (rows.rows() == 0 || rows.is_null(0, 0)) {
            throw Error(
                ErrorCode::not_found,
                fmt::format("the server has no replication slot '{}': make it, or let it be "
                            "made by create-slot",
                            options_.slot),
                connection_.server_name());
        }
        return parse_log_position(rows.text(0, rows.column("restart_lsn")));
    }

    void store(LogFile file)
    {
        const std::string name = file.name;
        const std::uint64_t bytes = file.size;
        const Record stored = store_log_files(repository_, {facts_.system_id, facts_.segment_size},
                                              {std::move(file)}, limits_, context_);
        if (stored.number("files") == 0) {
            return; // it was there already
        }
        context_.progress().entries.fetch_add(1);
        Record record("segment");
        record.set("name", name).set("bytes", bytes);
        record.set("snapshot", stored.text("snapshot"));
        record.set("bytes_stored", stored.number("bytes_stored"));
        context_.emit(std::move(record));
    }

    void store_history()
    {
        if (timeline_ < 2) {
            return;
        }
        const PostgresRows rows = connection_.query(fmt::format("TIMELINE_HISTORY {}", timeline_));
        OpenSegment history(timeline_history_name(timeline_), folder());
        history.write(0, as_bytes(rows.text(0, 1)));
        store(history.file());
    }

    std::string folder() const
    {
        return limits_.temporary_folder.empty() ? temporary_folder() : limits_.temporary_folder;
    }

    /// Until the server ends the stream. A segment that is not whole then is on the next timeline,
    /// too, or comes again.
    void receive(LogStream& stream)
    {
        std::optional<OpenSegment> segment;
        for (;;) {
            switch (stream.next(look_up_after)) {
            case LogStream::Got::data:
                take(stream, stream.data(), segment);
                break;
            case LogStream::Got::nothing:
                break;
            case LogStream::Got::end:
                return;
            }
        }
    }

    void take(LogStream& stream, ByteSpan bytes, std::optional<OpenSegment>& segment)
    {
        while (!bytes.empty()) {
            const std::uint64_t offset = position_ % facts_.segment_size;
            if (offset == 0) {
                segment.emplace(segment_name(segment_at(timeline_, position_, facts_.segment_size),
                                             facts_.segment_size),
                                folder());
            }
            const auto size = static_cast<std::size_t>(
                std::min<std::uint64_t>(bytes.size(), facts_.segment_size - offset));
            segment->write(offset, bytes.first(size));
            bytes = bytes.subspan(size);
            position_ += size;
            if (position_ % facts_.segment_size == 0) {
                store(segment->file());
                segment.reset();
                stream.acknowledge(position_);
            }
        }
    }

    Repository& repository_;
    const LogReceiveOptions& options_;
    const EngineLimits& limits_;
    JobContext& context_;
    bool& was_streaming_; ///< told once the server sends
    PostgresConnection connection_;
    const ServerFacts facts_;
    std::uint32_t timeline_ = 0;
    LogPosition position_ = 0;
};

} // namespace

Record receive_log(Repository& repository, const LogReceiveOptions& options,
                   const EngineLimits& limits, JobContext& context)
{
    check_postgres_conninfo(options.conninfo);
    if (options.slot.empty()) {
        throw Error(ErrorCode::invalid, "say which replication slot to take the log from");
    }
    bool was_streaming = false;
    std::chrono::seconds wait = first_pause;
    for (;;) {
        const double begin = monotonic_seconds();
        try {
            Reception(repository, options, limits, context, was_streaming).run();
        } catch (const Error& error) {
            if (!was_streaming || is_final(error.code())) {
                throw;
            }
            if (monotonic_seconds() - begin > static_cast<double>(longest_pause.count())) {
                wait = first_pause; // it went well for a while
            }
            Record notice("notice");
            notice.set("message",
                       fmt::format("{}; trying again in {} s", error.what(), wait.count()));
            context.emit(std::move(notice));
        }
        pause(wait, context.stop());
        wait = std::min<std::chrono::seconds>(wait * 2, longest_pause);
    }
}

} // namespace backstay::core
