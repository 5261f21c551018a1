#include "engine/source_run.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <latch>
#include <map>
#include <utility>

namespace backstay::core
{

SourceRun::SourceRun(BackupSource given, const BackupShared& shared,
                     std::shared_ptr<SnapshotView> parent)
    : given_(std::move(given)), shared_(shared), parent_(std::move(parent))
{
    result_.name = given_.name;
    result_.kind = given_.kind;
    result_.roots = given_.roots;
}

SourceRun::~SourceRun()
{
    try {
        settle(false);
    } catch (...) {
        // The backup has failed already, and says why; a source that cannot undo has said so to
        // its own sink.
    }
}

void SourceRun::run(const std::stop_token& stop)
{
    try {
        drain(stop);
    } catch (const ParentUnreadable&) {
        throw;
    } catch (const Error& error) {
        if (!given_.optional || error.code() == ErrorCode::cancelled) {
            throw;
        }
        result_.verdict = static_cast<std::uint8_t>(SourceVerdict::Kind::failed);
        result_.message = error.what();
        shared_.problem({given_.name, "", static_cast<std::int32_t>(error.code()), error.what()});
    }
}

void SourceRun::settle(bool committed)
{
    if (std::exchange(open_, false)) {
        given_.source->settle(committed);
    }
}

void SourceRun::drain(const std::stop_token& stop)
{
    const auto problems = [this](const Problem& problem) {
        shared_.problem(
            {given_.name, problem.path, static_cast<std::int32_t>(problem.code), problem.message});
    };
    // A lane that fails stops the others, wherever they wait: in the source, too.
    WorkerGroup lanes(stop);
    SnapshotView* parent = shared_.options.force ? nullptr : parent_.get();
    const SessionPlan plan = given_.source->open(parent, problems, lanes.stop_token());
    open_ = true;
    shared_.context.progress().entries_total.fetch_add(plan.entries);
    shared_.context.progress().bytes_total.fetch_add(plan.bytes);

    for (std::uint32_t lane = 0; lane < plan.lanes; ++lane) {
        lanes.start("lane", [this, lane](const std::stop_token& stopped) {
            LaneReader(shared_, given_.name, *given_.source, lane, parent_.get(), linked_, stopped)
                .drain();
        });
    }
    lanes.join();
    take_verdict(given_.source->finish());
}

void SourceRun::take_verdict(const SourceVerdict& verdict)
{
    if (verdict.kind == SourceVerdict::Kind::failed) {
        throw Error(ErrorCode::source,
                    verdict.message.empty() ? "the source failed" : verdict.message, given_.name);
    }
    result_.verdict = static_cast<std::uint8_t>(verdict.kind);
    result_.problems = verdict.problems;
    result_.record = verdict.record;
    result_.message = verdict.message;
    if (verdict.kind == SourceVerdict::Kind::damaged) {
        shared_.problem({given_.name, "", static_cast<std::int32_t>(ErrorCode::damaged),
                         verdict.message.empty() ? "the source says that what it gave is not whole"
                                                 : verdict.message});
    }
}

void check_order(const std::vector<BackupSource>& sources)
{
    for (const BackupSource& source : sources) {
        // Following `after` for as many steps as there are sources comes to an end, or there is a
        // circle.
        const BackupSource* at = &source;
        for (std::size_t steps = 0; !at->after.empty(); ++steps) {
            const auto next =
                std::find_if(sources.begin(), sources.end(),
                             [at](const BackupSource& other) { return other.name == at->after; });
            if (next == sources.end()) {
                throw Error(ErrorCode::invalid,
                            fmt::format("source '{}' waits for '{}', which is not in the backup",
                                        at->name, at->after));
            }
            if (steps > sources.size()) {
                throw Error(ErrorCode::invalid,
                            fmt::format("source '{}' waits for itself", source.name));
            }
            at = &*next;
        }
    }
}

void run_sources(std::vector<std::unique_ptr<SourceRun>>& runs, const std::stop_token& stop)
{
    std::map<std::string, std::unique_ptr<std::latch>> done;
    for (const auto& run : runs) {
        done[run->given().name] = std::make_unique<std::latch>(1);
    }
    WorkerGroup group(stop);
    for (const auto& run : runs) {
        group.start("source", [&run, &done](const std::stop_token& stopped) {
            struct Release {
                std::latch& latch;
                ~Release() { latch.count_down(); }
            } release{*done.at(run->given().name)};
            if (!run->given().after.empty()) {
                done.at(run->given().after)->wait();
                throw_if_stopped(stopped);
            }
            run->run(stopped);
        });
    }
    group.join();
}

} // namespace backstay::core
