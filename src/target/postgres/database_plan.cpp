#include "target/postgres/database_plan.hpp"

#include "base/error.hpp"
#include "target/postgres/server_work.hpp"

#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <map>

namespace backstay::core
{

namespace
{

constexpr std::size_t largest_globals = 64 * MiB;
constexpr std::array<std::string_view, 5> relations{"TABLE", "FOREIGN TABLE", "VIEW",
                                                    "MATERIALIZED VIEW", "SEQUENCE"};

bool is_relation(const PostgresTocEntry& entry)
{
    return std::find(relations.begin(), relations.end(), entry.kind) != relations.end();
}

/// The first major version whose pg_restore reads an archive's format.
int reader_of(const std::string& archive_version)
{
    return archive_version == "1.14" ? 12 : archive_version == "1.15" ? 16 : 17;
}

std::vector<PostgresMove> choose_databases(const std::vector<SavedDatabase>& saved,
                                           const PostgresRestoreOptions& options)
{
    std::vector<PostgresMove> moves;
    if (options.databases.empty()) {
        for (const SavedDatabase& database : saved) {
            moves.push_back({database, database.name});
        }
        return moves;
    }
    for (const PostgresDatabaseMapping& mapping : options.databases) {
        const auto found =
            std::find_if(saved.begin(), saved.end(),
                         [&mapping](const SavedDatabase& one) { return one.name == mapping.from; });
        if (found == saved.end()) {
            std::string names;
            for (const SavedDatabase& database : saved) {
                names += (names.empty() ? "" : ", ") + database.name;
            }
            throw Error(
                ErrorCode::not_found,
                fmt::format("the snapshot has no database '{}'; it has: {}", mapping.from, names));
        }
        moves.push_back({*found, mapping.to});
    }
    for (std::size_t i = 0; i < moves.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            if (moves[i].to == moves[j].to) {
                throw Error(ErrorCode::invalid, "two databases cannot go into one", moves[i].to);
            }
        }
    }
    return moves;
}

class Planner
{
public:
    Planner(SnapshotView& view, const PostgresRestoreOptions& options, const TargetEvents& events,
            const std::stop_token& stop)
        : view_(view), options_(options), events_(events),
          stop_(stop), plan_{choose_databases(list_saved_databases(view, stop), options), {}, {}},
          server_(options.conninfo, plan_.entrances(), stop), existing_(server_.databases())
    {
    }

    PostgresRestorePlan run()
    {
        plan_roles();
        for (PostgresMove& move : plan_.moves) {
            plan_move(move);
        }
        for (const auto& [name, databases] : unknown_) {
            if (databases == plan_.moves.size()) {
                throw Error(ErrorCode::not_found, "the snapshot has no such table or schema", name);
            }
        }
        std::erase_if(plan_.moves, [](const PostgresMove& move) { return !move.wanted; });
        for (const std::string& name : server_.leftovers()) {
            tell({PlanStep::Kind::step, "remove", name, 0, "left by a restore that was killed"});
        }
        plan_.restore =
            find_postgres_program("pg_restore", options_.program_folder, least_reader_, stop_);
        tell({PlanStep::Kind::space, "", "", bytes_, ""});
        return std::move(plan_);
    }

private:
    void tell(const PlanStep& step) const
    {
        if (events_.plan) {
            events_.plan(step);
        }
    }

    void plan_move(PostgresMove& move)
    {
        move.into_existing = options_.is_part() && existing_.count(move.to) > 0;
        if (!move.saved.split) {
            plan_archive(move);
            return;
        }
        if (move.into_existing) {
            move.existing_schemas = server_.objects(move.to, stop_).schemas;
        }
        const PostgresToc contents = read_contents(view_, move.saved, stop_);
        const PostgresSelection selection = select_for(move, contents, options_);
        for (const std::string& name : selection.unknown) {
            ++unknown_[name];
        }
        move.wanted = !selection.entries.empty() || !options_.is_selection();
        if (move.wanted) {
            least_reader_ = std::max(least_reader_, reader_of(contents.version()));
            bytes_ += plan_database(move, contents, selection);
        }
    }

    void plan_roles()
    {
        const std::optional<Entry> globals = view_.lookup("globals.sql");
        const bool wanted =
            options_.roles && !options_.data_only && (options_.owners || options_.grants);
        if (!globals || !wanted) {
            return;
        }
        const Bytes script = read_whole(view_, *globals, largest_globals, stop_);
        plan_.roles = plan_postgres_roles(as_text(script), server_.roles());
        for (const std::string& role : plan_.roles.created) {
            tell({PlanStep::Kind::step, "create", "role " + role, 0, {}});
        }
    }

    void plan_archive(const PostgresMove& move)
    {
        if (options_.is_part() || options_.schema_only) {
            throw Error(ErrorCode::unsupported,
                        "this database was kept as one stream, since its archive's version was not "
                        "known: it can only be restored whole",
                        move.saved.name);
        }
        plan_new(move, 0, "");
    }

    std::uint64_t plan_database(const PostgresMove& move, const PostgresToc& contents,
                                const PostgresSelection& selection)
    {
        std::uint64_t bytes = 0;
        for (const PostgresTocEntry* entry : selection.entries) {
            const auto block =
                entry->has_data ? find_block(view_, move.saved, *entry) : std::nullopt;
            bytes += block ? block->size : 0;
        }
        if (move.into_existing) {
            plan_into(move, selection);
        } else {
            plan_new(move, bytes, fmt::format("of PostgreSQL {}", contents.server_version()));
        }
        for (const PostgresTocEntry* entry : selection.left_out) {
            tell({PlanStep::Kind::step, "skip",
                  fmt::format("{}/{}.{}", move.to, entry->schema, entry->tag), 0,
                  "the table it refers to is not restored"});
        }
        return bytes;
    }

    void plan_new(const PostgresMove& move, std::uint64_t bytes, const std::string& message)
    {
        const bool lives = existing_.count(move.to) > 0;
        if (options_.data_only && !lives) {
            tell({PlanStep::Kind::conflict, "create", move.to, bytes,
                  "data alone needs a database that is there"});
        } else if (lives && !options_.replace && !server_.is_empty(move.to, stop_)) {
            tell({PlanStep::Kind::conflict, "replace", move.to, bytes,
                  fmt::format("this database is there already: replace it, or restore "
                              "under another name ({}=NEW-NAME)",
                              move.saved.name)});
        } else {
            tell({PlanStep::Kind::step, lives ? "replace" : "create", move.to, bytes, message});
        }
    }

    /// Into a database that lives: table by table.
    void plan_into(const PostgresMove& move, const PostgresSelection& selection)
    {
        const PostgresServerWork::Objects there = server_.objects(move.to, stop_);
        for (const PostgresTocEntry* entry : selection.entries) {
            const bool counts = options_.data_only ? entry->has_rows() : is_relation(*entry);
            if (!counts) {
                continue;
            }
            const std::string path = fmt::format("{}/{}.{}", move.to, entry->schema, entry->tag);
            const bool lives =
                there.relations.count({std::string(entry->schema), std::string(entry->tag)}) > 0;
            const auto block =
                entry->has_data ? find_block(view_, move.saved, *entry) : std::nullopt;
            const std::uint64_t bytes = block ? block->size : 0;
            if (options_.data_only) {
                tell(lives ? PlanStep{PlanStep::Kind::step, "update", path, bytes, {}}
                           : PlanStep{PlanStep::Kind::conflict, "update", path, bytes,
                                      "there is no such table to load"});
            } else if (lives && !options_.replace) {
                tell({PlanStep::Kind::conflict, "replace", path, bytes,
                      "is there already: replace it, or restore into another "
                      "database"});
            } else {
                tell({PlanStep::Kind::step, lives ? "replace" : "create", path, bytes, {}});
            }
        }
    }

    SnapshotView& view_;
    const PostgresRestoreOptions& options_;
    const TargetEvents& events_;
    const std::stop_token& stop_;
    PostgresRestorePlan plan_;
    PostgresServerWork server_;
    std::set<std::string> existing_; ///< databases
    int least_reader_ = 0;
    std::uint64_t bytes_ = 0;
    std::map<std::string, std::size_t> unknown_; ///< in how many databases
};

} // namespace

std::vector<std::string> PostgresRestorePlan::entrances() const
{
    const bool replaces_first = std::any_of(
        moves.begin(), moves.end(), [](const PostgresMove& move) { return move.to == "postgres"; });
    return replaces_first ? std::vector<std::string>{"template1", "postgres"}
                          : std::vector<std::string>{"postgres", "template1", ""};
}

PostgresSelection select_for(const PostgresMove& move, const PostgresToc& contents,
                             const PostgresRestoreOptions& options)
{
    PostgresSelectionRules rules;
    for (const std::string& table : options.tables) {
        rules.tables.push_back(parse_postgres_table(table));
    }
    rules.schemas = options.schemas;
    rules.data_only = options.data_only;
    rules.schema_only = options.schema_only;
    rules.into_new = !move.into_existing;
    rules.existing_schemas = move.existing_schemas;
    return select_postgres_entries(contents, rules);
}

PostgresRestorePlan plan_postgres_restore(SnapshotView& view, const PostgresRestoreOptions& options,
                                          const TargetEvents& events, const std::stop_token& stop)
{
    return Planner(view, options, events, stop).run();
}

} // namespace backstay::core
