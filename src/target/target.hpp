#pragma once

#include "base/error.hpp"
#include "format/snapshot_view.hpp"

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

namespace backstay::core
{

/// One line of a plan, as --dry-run prints it.
struct PlanStep {
    enum class Kind : std::uint8_t { step, conflict, space };
    Kind kind = Kind::step;
    std::string action; ///< "create", "replace", "update", "keep", "remove", "skip"
    std::string path;   ///< raw bytes
    std::uint64_t bytes = 0;
    std::string message;
};

/// Something that could not be done for one entry; the restore goes on and ends with problems.
struct RestoreProblem {
    ErrorCode code = ErrorCode::target;
    std::string path;
    std::string message;
};

/// What a target tells while it works. Thread-safe.
struct TargetEvents {
    std::function<void(const PlanStep&)> plan;
    std::function<void(RestoreProblem)> problem;
    std::function<void(std::uint64_t entries, std::uint64_t bytes_written,
                       std::uint64_t bytes_reused)>
        progress; ///< differences since the last call
};

/// Receives a subtree of a snapshot and makes the living thing again: plan, then (no dry run, no
/// conflict) run, verify if wished, commit; else abandon. What lived before is kept until commit()
/// where the thing allows it. It refuses to overwrite what lives unless told to.
class Target
{
public:
    virtual ~Target() = default;
    virtual void plan(SnapshotView& view, const TargetEvents& events,
                      const std::stop_token& stop) = 0;
    virtual void run(SnapshotView& view, const TargetEvents& events,
                     const std::stop_token& stop) = 0;
    virtual void verify(SnapshotView& view, const TargetEvents& events,
                        const std::stop_token& stop) = 0;
    virtual void commit() = 0;
    virtual void abandon() noexcept = 0;
};

} // namespace backstay::core
