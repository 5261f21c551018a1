#include "target/postgres/database_target.hpp"

#include "base/error.hpp"
#include "base/side_by_side.hpp"
#include "postgres/connection.hpp"
#include "postgres/conninfo.hpp"
#include "target/postgres/database_making.hpp"
#include "target/postgres/database_plan.hpp"
#include "target/postgres/restore_run.hpp"
#include "target/postgres/row_comparison.hpp"
#include "target/postgres/server_work.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/core.h>
#include <mutex>
#include <thread>

namespace backstay::core
{

namespace
{

constexpr int times_to_drop = 120;
constexpr int times_to_try_a_broken_one = 8;
constexpr std::chrono::milliseconds between_attempts{250};

class DatabaseTarget : public Target
{
public:
    explicit DatabaseTarget(PostgresRestoreOptions options) : options_(std::move(options))
    {
        check_postgres_conninfo(options_.conninfo);
        if (options_.data_only && options_.schema_only) {
            throw Error(ErrorCode::invalid, "data only and schema only leave nothing to restore");
        }
        for (const std::string& table : options_.tables) {
            parse_postgres_table(table); // throws at once what would be thrown later
        }
    }

    void plan(SnapshotView& view, const TargetEvents& events, const std::stop_token& stop) override
    {
        plan_ = plan_postgres_restore(view, options_, events, stop);
    }

    void run(SnapshotView& view, const TargetEvents& events, const std::stop_token& stop) override
    {
        events_ = events;
        server_ = std::make_unique<PostgresServerWork>(options_.conninfo, plan_.entrances(), stop);
        for (const std::string& name : server_->leftovers()) {
            server_->drop_leftover(name);
        }
        server_->make_roles(plan_.roles);
        const std::set<std::string> tablespaces = server_->tablespaces();
        // Several databases side by side; what jobs are left are shared out among them.
        const unsigned jobs = std::max(options_.jobs, 1U);
        const unsigned at_once = std::clamp(static_cast<unsigned>(plan_.moves.size()), 1U, jobs);
        side_by_side("restore", plan_.moves.size(), at_once, stop,
                     [&](std::size_t at, const std::stop_token& stopped) {
                         restore(view, plan_.moves[at], jobs / at_once, tablespaces, events,
                                 stopped);
                     });
    }

    void verify(SnapshotView& view, const TargetEvents& events,
                const std::stop_token& stop) override
    {
        for (const PostgresMove& move : plan_.moves) {
            if (!move.saved.split || options_.schema_only ||
                (options_.data_only && move.into_existing)) {
                tell_problem(events, ErrorCode::unsupported, move.saved.folder,
                             "its rows cannot be told from others there, so they were not "
                             "verified");
                continue;
            }
            const PostgresToc contents = read_contents(view, move.saved, stop);
            compare_rows(receiver(move), view, move.saved, contents,
                         select_for(move, contents, options_), events, stop);
        }
    }

    void commit() override
    {
        std::vector<PostgresServerWork::Switch> switches;
        for (const PostgresMove& move : plan_.moves) {
            if (!move.scratch.empty()) {
                switches.push_back({move.scratch, move.to});
            }
        }
        if (switches.empty()) {
            return;
        }
        // Not stopped any more: half of it would be worse than either. The other connection keeps
        // the scratch databases ours until then.
        PostgresServerWork last(options_.conninfo, plan_.entrances(), {});
        const std::vector<std::string> old = last.switch_databases(switches);
        for (PostgresMove& move : plan_.moves) {
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
        for (PostgresMove& move : plan_.moves) {
            if (!move.scratch.empty()) {
                drop(move);
            }
        }
        server_.reset();
    }

private:
    static void tell_problem(const TargetEvents& events, ErrorCode code, const std::string& path,
                             const std::string& message)
    {
        if (events.problem) {
            events.problem({code, path, message});
        }
    }

    void restore(SnapshotView& view, PostgresMove& move, unsigned jobs,
                 const std::set<std::string>& tablespaces, const TargetEvents& events,
                 const std::stop_token& stop)
    {
        PostgresRestoreRun run;
        run.program = plan_.restore.path;
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
        restore_selection(run, view, move.saved, contents, select_for(move, contents, options_),
                          events, stop);
        if (!move.into_existing) {
            const std::lock_guard lock(server_mutex_);
            for (const std::string& failure : server_->set_properties(move.scratch, making)) {
                tell_problem(events, ErrorCode::target, move.to, failure);
            }
        }
    }

    void make_scratch(PostgresMove& move, const PostgresDatabaseMaking& making)
    {
        const std::lock_guard lock(server_mutex_);
        // Remembered first: what is made is dropped again, whatever happens in between.
        move.scratch = random_database_name(PostgresInterim::scratch);
        server_->create_database(move.scratch, making);
    }

    std::vector<std::string> switches(const PostgresMove& move) const
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

    PostgresConnectOptions receiver(const PostgresMove& move) const
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
    void drop(PostgresMove& move) noexcept
    {
        for (int attempt = 1; attempt <= times_to_drop; ++attempt) {
            try {
                PostgresServerWork(options_.conninfo, plan_.entrances(), {})
                    .drop_database(move.scratch);
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

    const PostgresRestoreOptions options_;
    PostgresRestorePlan plan_;
    TargetEvents events_;     ///< of run(), for commit()
    std::mutex server_mutex_; // guards server_ while databases are restored side by side
    std::unique_ptr<PostgresServerWork> server_;
};

} // namespace

std::unique_ptr<Target> make_postgres_database_target(PostgresRestoreOptions options)
{
    return std::make_unique<DatabaseTarget>(std::move(options));
}

} // namespace backstay::core
