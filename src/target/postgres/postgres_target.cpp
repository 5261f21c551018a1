#include "target/postgres/postgres_target.hpp"

#include "base/error.hpp"
#include "base/record.hpp"
#include "base/worker_group.hpp"
#include "postgres/programs.hpp"
#include "postgres/sql_text.hpp"
#include "target/postgres/restore_run.hpp"
#include "target/postgres/row_comparison.hpp"
#include "target/postgres/saved_database.hpp"
#include "target/postgres/selection.hpp"
#include "target/postgres/server_work.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <fmt/format.h>
#include <map>
#include <mutex>
#include <thread>

namespace backstay::core
{

namespace
{

constexpr std::size_t largest_globals = 64 * MiB;
constexpr std::array<std::string_view, 5> relations{"TABLE", "FOREIGN TABLE", "VIEW",
                                                    "MATERIALIZED VIEW", "SEQUENCE"};

constexpr int times_to_drop = 120;
constexpr int times_to_try_a_broken_one = 8;
constexpr std::chrono::milliseconds between_attempts{250};

bool is_relation(const PostgresTocEntry& entry)
{
    return std::find(relations.begin(), relations.end(), entry.kind) != relations.end();
}

/// The first major version whose pg_restore reads an archive's format.
int reader_of(const std::string& archive_version)
{
    return archive_version == "1.14" ? 12 : archive_version == "1.15" ? 16 : 17;
}

/// A database on its way from the snapshot to the server.
struct Move {
    SavedDatabase saved;
    std::string to;
    bool into_existing = false; ///< a part of it, into one that lives
    std::set<std::string> existing_schemas;
    std::string scratch; ///< made, and not renamed or dropped yet
    bool wanted = true;  ///< something of it was chosen

    const std::string& receiver() const { return into_existing ? to : scratch; }
};

/// What the archive tells of the database itself, which pg_restore leaves to us.
PostgresDatabaseMaking making_of(const PostgresToc& contents, const PostgresTargetOptions& options)
{
    PostgresDatabaseMaking making;
    const std::string tag = fmt::format("DATABASE {}", contents.database());
    for (const PostgresTocEntry& entry : contents.entries()) {
        const bool is_right = entry.kind == "ACL";
        if (entry.kind == "DATABASE") {
            making.create = entry.definition;
            making.owner = options.owners ? entry.owner : "";
        } else if (entry.kind == "DATABASE PROPERTIES" ||
                   ((is_right || entry.kind == "COMMENT") && entry.tag.starts_with("DATABASE ") &&
                    entry.schema.empty())) {
            if (is_right && !options.grants) {
                continue;
            }
            for (const std::string_view statement : split_sql(entry.definition)) {
                making.properties.emplace_back(statement);
            }
        }
    }
    return making;
}

/// Of an archive that is not known: with the encoding that the source's record tells.
PostgresDatabaseMaking plain_making(SnapshotView& view, const std::string& name)
{
    PostgresDatabaseMaking making;
    const std::string text = view.source_record();
    const Record record = text.empty() ? Record() : Record::from_json(text);
    const Record::Field* databases = record.find("databases");
    if (databases == nullptr || databases->nested.size() != 1) {
        return making;
    }
    for (const Record::Field& field : databases->nested.front().fields()) {
        if (field.nested.size() == 1 && field.nested.front().text("name") == name) {
            making.create = fmt::format("CREATE DATABASE x TEMPLATE template0 ENCODING {}",
                                        postgres_literal(field.nested.front().text("encoding")));
        }
    }
    return making;
}

class PostgresTarget : public Target
{
public:
    explicit PostgresTarget(PostgresTargetOptions options) : options_(std::move(options))
    {
        check_postgres_conninfo(options_.conninfo);
        if (options_.data_only && options_.schema_only) {
            throw Error(ErrorCode::invalid, "data only and schema only leave nothing to restore");
        }
        for (const std::string& table : options_.tables) {
            tables_.push_back(parse_postgres_table(table));
        }
    }

    void plan(SnapshotView& view, const TargetEvents& events, const std::stop_token& stop) override
    {
        moves_.clear();
        choose_databases(list_saved_databases(view, stop));
        server_ = std::make_unique<PostgresServerWork>(options_.conninfo, entrances(), stop);
        plan_roles(view, events, stop);
        existing_ = server_->databases();
        int least_reader = 0;
        std::uint64_t bytes = 0;
        std::map<std::string, std::size_t> unknown; // in how many databases
        for (Move& move : moves_) {
            move.into_existing = options_.is_part() && existing_.count(move.to) > 0;
            if (!move.saved.split) {
                plan_archive(move, events, stop);
                continue;
            }
            if (move.into_existing) {
                move.existing_schemas = server_->objects(move.to, stop).schemas;
            }
            const PostgresToc contents = read_contents(view, move.saved, stop);
            const PostgresSelection selection = select(move, contents);
            for (const std::string& name : selection.unknown) {
                ++unknown[name];
            }
            move.wanted = !selection.entries.empty() || !options_.is_selection();
            if (move.wanted) {
                least_reader = std::max(least_reader, reader_of(contents.version()));
                bytes += plan_database(view, move, contents, selection, events, stop);
            }
        }
        for (const auto& [name, databases] : unknown) {
            if (databases == moves_.size()) {
                throw Error(ErrorCode::not_found, "the snapshot has no such table or schema", name);
            }
        }
        std::erase_if(moves_, [](const Move& move) { return !move.wanted; });
        for (const std::string& name : server_->leftovers()) {
            tell_plan(events, {PlanStep::Kind::step, "remove", name, 0,
                               "left by a restore that was killed"});
        }
        program_ = find_postgres_program("pg_restore", options_.program_folder, least_reader, stop);
        tell_plan(events, {PlanStep::Kind::space, "", "", bytes, ""});
    }

    void run(SnapshotView& view, const TargetEvents& events, const std::stop_token& stop) override
    {
        events_ = events;
        for (const std::string& name : server_->leftovers()) {
            server_->drop_leftover(name);
        }
        server_->make_roles(roles_);
        const std::set<std::string> tablespaces = server_->tablespaces();
        // Several databases side by side; what jobs are left are shared out among them.
        const unsigned jobs = std::max(options_.jobs, 1U);
        const auto side_by_side = std::min<std::size_t>(jobs, moves_.size());
        std::atomic<std::size_t> next{0};
        WorkerGroup workers(stop);
        for (std::size_t i = 0; i < side_by_side; ++i) {
            workers.start("restore", [&](const std::stop_token& stopped) {
                for (std::size_t at = next++; at < moves_.size(); at = next++) {
                    throw_if_stopped(stopped);
                    restore(view, moves_[at], jobs / static_cast<unsigned>(side_by_side),
                            tablespaces, events, stopped);
                }
            });
        }
        workers.join();
    }

    void verify(SnapshotView& view, const TargetEvents& events,
                const std::stop_token& stop) override
    {
        for (const Move& move : moves_) {
            if (!move.saved.split || options_.schema_only ||
                (options_.data_only && move.into_existing)) {
                tell_problem(events, ErrorCode::unsupported, move.saved.folder,
                             "its rows cannot be told from others there, so they were not "
                             "verified");
                continue;
            }
            const PostgresToc contents = read_contents(view, move.saved, stop);
            compare_rows(receiver(move), view, move.saved, contents, select(move, contents), events,
                         stop);
        }
    }

    void commit() override
    {
        std::vector<PostgresServerWork::Switch> switches;
        for (const Move& move : moves_) {
            if (!move.scratch.empty()) {
                switches.push_back({move.scratch, move.to});
            }
        }
        if (switches.empty()) {
            return;
        }
        // Not stopped any more: half of it would be worse than either. The other connection keeps
        // the scratch databases ours until then.
        PostgresServerWork last(options_.conninfo, entrances(), {});
        const std::vector<std::string> old = last.switch_databases(switches);
        for (Move& move : moves_) {
            move.scratch.clear();
        }
        for (const std::string& name : old) {
            try {
                last.drop_database(name);
            } catch (const Error& error) {
                tell_problem(events_, error.code(), name,
                             fmt::format("the database that was replaced cannot be dropped: {}",
                                         error.what()));
            }
        }
    }

    void abandon() noexcept override
    {
        for (Move& move : moves_) {
            if (!move.scratch.empty()) {
                drop(move);
            }
        }
        server_.reset();
    }

private:
    /// Databases to work from: none that is renamed.
    std::vector<std::string> entrances() const
    {
        const bool replaces_first = std::any_of(
            moves_.begin(), moves_.end(), [](const Move& move) { return move.to == "postgres"; });
        return replaces_first ? std::vector<std::string>{"template1", "postgres"}
                              : std::vector<std::string>{"postgres", "template1", ""};
    }

    static void tell_plan(const TargetEvents& events, const PlanStep& step)
    {
        if (events.plan) {
            events.plan(step);
        }
    }

    static void tell_problem(const TargetEvents& events, ErrorCode code, const std::string& path,
                             const std::string& message)
    {
        if (events.problem) {
            events.problem({code, path, message});
        }
    }

    void choose_databases(const std::vector<SavedDatabase>& saved)
    {
        if (options_.databases.empty()) {
            for (const SavedDatabase& database : saved) {
                moves_.push_back({database, database.name});
            }
            return;
        }
        for (const PostgresDatabaseMapping& mapping : options_.databases) {
            const auto found =
                std::find_if(saved.begin(), saved.end(), [&mapping](const SavedDatabase& one) {
                    return one.name == mapping.from;
                });
            if (found == saved.end()) {
                std::string names;
                for (const SavedDatabase& database : saved) {
                    names += (names.empty() ? "" : ", ") + database.name;
                }
                throw Error(ErrorCode::not_found,
                            fmt::format("the snapshot has no database '{}'; it has: {}",
                                        mapping.from, names));
            }
            moves_.push_back({*found, mapping.to});
        }
        for (std::size_t i = 0; i < moves_.size(); ++i) {
            for (std::size_t j = 0; j < i; ++j) {
                if (moves_[i].to == moves_[j].to) {
                    throw Error(ErrorCode::invalid, "two databases cannot go into one",
                                moves_[i].to);
                }
            }
        }
    }

    void plan_roles(SnapshotView& view, const TargetEvents& events, const std::stop_token& stop)
    {
        roles_ = {};
        const std::optional<Entry> globals = view.lookup("globals.sql");
        const bool wanted =
            options_.roles && !options_.data_only && (options_.owners || options_.grants);
        if (!globals || !wanted) {
            return;
        }
        const Bytes script = read_whole(view, *globals, largest_globals, stop);
        roles_ = plan_postgres_roles(as_text(script), server_->roles());
        for (const std::string& role : roles_.created) {
            tell_plan(events, {PlanStep::Kind::step, "create", "role " + role, 0, {}});
        }
    }

    PostgresSelection select(const Move& move, const PostgresToc& contents) const
    {
        PostgresSelectionRules rules;
        rules.tables = tables_;
        rules.schemas = options_.schemas;
        rules.data_only = options_.data_only;
        rules.schema_only = options_.schema_only;
        rules.into_new = !move.into_existing;
        rules.existing_schemas = move.existing_schemas;
        return select_postgres_entries(contents, rules);
    }

    void plan_archive(const Move& move, const TargetEvents& events, const std::stop_token& stop)
    {
        if (options_.is_part() || options_.schema_only) {
            throw Error(ErrorCode::unsupported,
                        "this database was kept as one stream, since its archive's version was not "
                        "known: it can only be restored whole",
                        move.saved.name);
        }
        plan_new(move, 0, "", events, stop);
    }

    std::uint64_t plan_database(SnapshotView& view, const Move& move, const PostgresToc& contents,
                                const PostgresSelection& selection, const TargetEvents& events,
                                const std::stop_token& stop)
    {
        std::uint64_t bytes = 0;
        for (const PostgresTocEntry* entry : selection.entries) {
            const auto block =
                entry->has_data ? find_block(view, move.saved, *entry) : std::nullopt;
            bytes += block ? block->size : 0;
        }
        if (move.into_existing) {
            plan_into(view, move, selection, events, stop);
        } else {
            plan_new(move, bytes, fmt::format("of PostgreSQL {}", contents.server_version()),
                     events, stop);
        }
        for (const PostgresTocEntry* entry : selection.left_out) {
            tell_plan(events, {PlanStep::Kind::step, "skip",
                               fmt::format("{}/{}.{}", move.to, entry->schema, entry->tag), 0,
                               "the table it refers to is not restored"});
        }
        return bytes;
    }

    void plan_new(const Move& move, std::uint64_t bytes, const std::string& message,
                  const TargetEvents& events, const std::stop_token& stop)
    {
        const bool lives = existing_.count(move.to) > 0;
        if (options_.data_only && !lives) {
            tell_plan(events, {PlanStep::Kind::conflict, "create", move.to, bytes,
                               "data alone needs a database that is there"});
        } else if (lives && !options_.replace && !server_->is_empty(move.to, stop)) {
            tell_plan(events, {PlanStep::Kind::conflict, "replace", move.to, bytes,
                               fmt::format("this database is there already: replace it, or restore "
                                           "under another name ({}=NEW-NAME)",
                                           move.saved.name)});
        } else {
            tell_plan(events, {PlanStep::Kind::step, lives ? "replace" : "create", move.to, bytes,
                               message});
        }
    }

    /// Into a database that lives: table by table.
    void plan_into(SnapshotView& view, const Move& move, const PostgresSelection& selection,
                   const TargetEvents& events, const std::stop_token& stop)
    {
        const PostgresServerWork::Objects there = server_->objects(move.to, stop);
        for (const PostgresTocEntry* entry : selection.entries) {
            const bool counts = options_.data_only ? entry->has_rows() : is_relation(*entry);
            if (!counts) {
                continue;
            }
            const std::string path = fmt::format("{}/{}.{}", move.to, entry->schema, entry->tag);
            const bool lives =
                there.relations.count({std::string(entry->schema), std::string(entry->tag)}) > 0;
            const auto block =
                entry->has_data ? find_block(view, move.saved, *entry) : std::nullopt;
            const std::uint64_t bytes = block ? block->size : 0;
            if (options_.data_only) {
                tell_plan(events, lives ? PlanStep{PlanStep::Kind::step, "update", path, bytes, {}}
                                        : PlanStep{PlanStep::Kind::conflict, "update", path, bytes,
                                                   "there is no such table to load"});
            } else if (lives && !options_.replace) {
                tell_plan(events, {PlanStep::Kind::conflict, "replace", path, bytes,
                                   "is there already: replace it, or restore into another "
                                   "database"});
            } else {
                tell_plan(events,
                          {PlanStep::Kind::step, lives ? "replace" : "create", path, bytes, {}});
            }
        }
    }

    void restore(SnapshotView& view, Move& move, unsigned jobs,
                 const std::set<std::string>& tablespaces, const TargetEvents& events,
                 const std::stop_token& stop)
    {
        PostgresRestoreRun run;
        run.program = program_.path;
        run.switches = switches(move);
        run.one_transaction = move.into_existing;
        run.jobs = jobs;
        if (!move.saved.split) {
            make_scratch(move, plain_making(view, move.saved.name));
            run.conninfo = postgres_conninfo_for(options_.conninfo, move.scratch);
            restore_archive(run, view, move.saved, events, stop);
            return;
        }
        const PostgresToc contents = read_contents(view, move.saved, stop);
        if (lacks_tablespace(contents, tablespaces)) {
            run.switches.emplace_back("--no-tablespaces");
            tell_problem(events, ErrorCode::target, move.to,
                         "a tablespace of it is not on this server: everything goes into the "
                         "default one");
        }
        const PostgresDatabaseMaking making = making_of(contents, options_);
        if (!move.into_existing) {
            make_scratch(move, making);
        }
        run.conninfo = postgres_conninfo_for(options_.conninfo, move.receiver());
        restore_selection(run, view, move.saved, contents, select(move, contents), events, stop);
        if (!move.into_existing) {
            const std::lock_guard lock(server_mutex_);
            for (const std::string& failure : server_->set_properties(move.scratch, making)) {
                tell_problem(events, ErrorCode::target, move.to, failure);
            }
        }
    }

    void make_scratch(Move& move, const PostgresDatabaseMaking& making)
    {
        const std::lock_guard lock(server_mutex_);
        // Remembered first: what is made is dropped again, whatever happens in between.
        move.scratch = random_database_name(PostgresInterim::scratch);
        server_->create_database(move.scratch, making);
    }

    std::vector<std::string> switches(const Move& move) const
    {
        std::vector<std::string> chosen;
        const auto add = [&chosen](bool wanted, const char* option) {
            if (wanted) {
                chosen.emplace_back(option);
            }
        };
        add(!options_.owners, "--no-owner");
        add(!options_.grants, "--no-privileges");
        add(options_.data_only, "--data-only");
        add(options_.schema_only, "--schema-only");
        add(move.into_existing && options_.replace && !options_.data_only, "--clean");
        add(move.into_existing && options_.replace && !options_.data_only, "--if-exists");
        return chosen;
    }

    PostgresConnectOptions receiver(const Move& move) const
    {
        PostgresConnectOptions where;
        where.conninfo = options_.conninfo;
        where.database = move.receiver();
        return where;
    }

    static bool lacks_tablespace(const PostgresToc& contents, const std::set<std::string>& there)
    {
        return std::any_of(contents.entries().begin(), contents.entries().end(),
                           [&there](const PostgresTocEntry& entry) {
                               return !entry.tablespace.empty() &&
                                      there.count(std::string(entry.tablespace)) == 0;
                           });
    }

    /// A server that has crashed comes back soon, if at all.
    void drop(Move& move) noexcept
    {
        for (int attempt = 1; attempt <= times_to_drop; ++attempt) {
            try {
                PostgresServerWork(options_.conninfo, entrances(), {}).drop_database(move.scratch);
                move.scratch.clear();
                return;
            } catch (const std::exception& error) {
                const auto* known = dynamic_cast<const Error*>(&error);
                const bool recovers = known != nullptr && known->code() == ErrorCode::unavailable;
                if (!recovers && attempt >= times_to_try_a_broken_one) {
                    return; // what led here says more
                }
                std::this_thread::sleep_for(between_attempts);
            }
        }
    }

    const PostgresTargetOptions options_;
    std::vector<PostgresTablePattern> tables_;
    TargetEvents events_;     ///< of run(), for commit()
    std::mutex server_mutex_; // guards server_ while databases are restored side by side
    std::unique_ptr<PostgresServerWork> server_;
    std::set<std::string> existing_; ///< databases
    PostgresProgram program_;
    PostgresRolePlan roles_;
    std::vector<Move> moves_;
};

} // namespace

std::unique_ptr<Target> make_postgres_target(PostgresTargetOptions options)
{
    return std::make_unique<PostgresTarget>(std::move(options));
}

} // namespace backstay::core
