#include "target/postgres/restore_run.hpp"

#include "base/child_process.hpp"
#include "base/error.hpp"
#include "base/side_by_side.hpp"
#include "postgres/archive_joiner.hpp"
#include "postgres/programs.hpp"
#include "target/postgres/named_file.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <unordered_map>

namespace backstay::core
{

namespace
{

/// Entries with the blocks that were saved of them.
struct Load {
    std::vector<const PostgresTocEntry*> entries; ///< in the archive's order
    std::uint64_t bytes = 0;
};

std::string list_of(const std::vector<const PostgresTocEntry*>& entries)
{
    std::string list;
    for (const PostgresTocEntry* entry : entries) {
        list += fmt::format("{};\n", entry->dump_id);
    }
    return list;
}

class Restore
{
public:
    Restore(const PostgresRestoreRun& run, SnapshotView& view, const SavedDatabase& database,
            const PostgresToc& contents, const PostgresSelection& selection,
            const TargetEvents& events)
        : run_(run), view_(view), database_(database), contents_(contents), selection_(selection),
          events_(events)
    {
    }

    void in_one_stream(const std::stop_token& stop)
    {
        std::vector<std::string> switches;
        if (run_.one_transaction) {
            switches.emplace_back("--single-transaction");
        }
        stream(selection_.entries, selection_.everything, switches, stop);
    }

    void in_parallel(const std::stop_token& stop)
    {
        const NamedFile archive(contents_.bytes());
        const NamedFile list(as_bytes(list_of(selection_.entries)));
        const auto definitions = [&](const char* section) {
            return std::vector<std::string>{section, "--use-list=" + list.path(), archive.path()};
        };
        run_to_end(definitions("--section=pre-data"), stop);
        load_rows(stop);
        std::vector<std::string> post_data = definitions("--section=post-data");
        post_data.insert(post_data.begin(), fmt::format("--jobs={}", run_.jobs));
        run_to_end(post_data, stop);
    }

private:
    std::vector<std::string> command(const std::vector<std::string>& more) const
    {
        std::vector<std::string> arguments{run_.program, "--exit-on-error", "--no-password",
                                           "--dbname=" + run_.conninfo};
        arguments.insert(arguments.end(), run_.switches.begin(), run_.switches.end());
        arguments.insert(arguments.end(), more.begin(), more.end());
        return arguments;
    }

    void run_to_end(const std::vector<std::string>& switches, const std::stop_token& stop) const
    {
        ChildProcess process({command(switches), postgres_program_environment()});
        demand_success(process, stop);
    }

    void demand_success(ChildProcess& process, const std::stop_token& stop) const
    {
        if (const ChildProcess::Exit exit = process.wait(stop); !exit.good) {
            throw Error(ErrorCode::target, fmt::format("pg_restore {}", exit.message),
                        database_.name);
        }
    }

    /// The largest first, each to the stream that has least to do.
    void load_rows(const std::stop_token& stop) const
    {
        std::vector<Load> loads(run_.jobs);
        for (const Load& piece : data_pieces()) {
            Load& least =
                *std::min_element(loads.begin(), loads.end(),
                                  [](const Load& a, const Load& b) { return a.bytes < b.bytes; });
            least.entries.insert(least.entries.end(), piece.entries.begin(), piece.entries.end());
            least.bytes += piece.bytes;
        }
        std::erase_if(loads, [](const Load& load) { return load.entries.empty(); });
        side_by_side("restore", loads.size(), run_.jobs, stop,
                     [&](std::size_t at, const std::stop_token& stopped) {
                         auto& entries = loads[at].entries;
                         std::sort(entries.begin(), entries.end()); // they lie in one array
                         stream(entries, false, {"--section=data"}, stopped);
                     });
    }

    /// What pg_restore takes for data, the largest first. What depends on another entry of them
    /// (a large object's bytes and rights on its making, from pg_dump 17 on) comes with it.
    std::vector<Load> data_pieces() const
    {
        std::vector<Load> pieces;
        std::unordered_map<std::int32_t, std::size_t> piece_of;
        std::int32_t section = section_pre_data;
        for (const PostgresTocEntry* entry : selection_.entries) {
            if (entry->section != section_none) { // else it belongs to the section it stands in
                section = entry->section;
            }
            if (section != section_data) {
                continue;
            }
            // Without a section of its own it needs a neighbour to tell it.
            std::size_t at = pieces.size() - (entry->section == section_none ? 1 : 0);
            for (const std::int32_t id : entry->dependencies) {
                if (const auto known = piece_of.find(id); known != piece_of.end()) {
                    at = known->second;
                }
            }
            if (at == pieces.size()) {
                pieces.emplace_back();
            }
            piece_of[entry->dump_id] = at;
            const std::optional<Entry> block =
                entry->has_data ? find_block(view_, database_, *entry) : std::nullopt;
            pieces[at].entries.push_back(entry);
            pieces[at].bytes += (block ? block->size : 0) + 1;
        }
        std::stable_sort(pieces.begin(), pieces.end(),
                         [](const Load& a, const Load& b) { return a.bytes > b.bytes; });
        return pieces;
    }

    /// One pg_restore that reads an archive with the blocks of these entries.
    void stream(const std::vector<const PostgresTocEntry*>& entries, bool everything,
                std::vector<std::string> switches, const std::stop_token& stop) const
    {
        const NamedFile list(as_bytes(list_of(entries)));
        if (!everything) {
            switches.push_back("--use-list=" + list.path());
        }
        ChildProcess process(
            {command(switches), postgres_program_environment(), ChildCommand::Input::pipe});
        bool reads = true;
        PostgresArchiveJoiner joiner(
            contents_, [&](ByteSpan bytes) { reads = reads && process.write(bytes, stop); });
        for (const PostgresTocEntry* entry : entries) {
            if (entry->has_data && reads) {
                add_block(joiner, *entry, reads, stop);
            }
        }
        joiner.finish();
        process.close_input();
        demand_success(process, stop);
    }

    void add_block(PostgresArchiveJoiner& joiner, const PostgresTocEntry& entry, const bool& reads,
                   const std::stop_token& stop) const
    {
        const std::optional<Entry> block = find_block(view_, database_, entry);
        if (!block) {
            return;
        }
        joiner.begin_block(entry);
        stream_pieces(
            view_, *block,
            [&](ByteSpan piece) {
                joiner.add(piece);
                tell(0, piece.size());
                return reads;
            },
            stop);
        joiner.end_block();
        tell(1, 0);
    }

    void tell(std::uint64_t entries, std::uint64_t bytes) const
    {
        if (events_.progress) {
            events_.progress(entries, bytes, 0);
        }
    }

    const PostgresRestoreRun& run_;
    SnapshotView& view_;
    const SavedDatabase& database_;
    const PostgresToc& contents_;
    const PostgresSelection& selection_;
    const TargetEvents& events_;
};

} // namespace

void restore_selection(const PostgresRestoreRun& run, SnapshotView& view,
                       const SavedDatabase& database, const PostgresToc& contents,
                       const PostgresSelection& selection, const TargetEvents& events,
                       const std::stop_token& stop)
{
    Restore restore(run, view, database, contents, selection, events);
    if (run.jobs > 1 && !run.one_transaction) {
        restore.in_parallel(stop);
    } else {
        restore.in_one_stream(stop);
    }
}

void restore_archive(const PostgresRestoreRun& run, SnapshotView& view,
                     const SavedDatabase& database, const TargetEvents& events,
                     const std::stop_token& stop)
{
    std::vector<std::string> arguments{run.program, "--exit-on-error", "--no-password",
                                       "--dbname=" + run.conninfo};
    arguments.insert(arguments.end(), run.switches.begin(), run.switches.end());
    ChildProcess process({arguments, postgres_program_environment(), ChildCommand::Input::pipe});
    const std::string path = database.folder.empty() ? "archive" : database.folder + "/archive";
    const std::optional<Entry> entry = view.lookup(path);
    if (!entry) {
        throw Error(ErrorCode::damaged, "the database's archive is not there", path);
    }
    stream_pieces(
        view, *entry,
        [&](ByteSpan piece) {
            if (events.progress) {
                events.progress(0, piece.size(), 0);
            }
            return process.write(piece, stop);
        },
        stop);
    process.close_input();
    if (const ChildProcess::Exit exit = process.wait(stop); !exit.good) {
        throw Error(ErrorCode::target, fmt::format("pg_restore {}", exit.message), database.name);
    }
    if (events.progress) {
        events.progress(1, 0, 0);
    }
}

} // namespace backstay::core
