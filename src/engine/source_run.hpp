#pragma once

#include "engine/backup.hpp"
#include "engine/lane_reader.hpp"

#include <memory>
#include <stop_token>
#include <vector>

namespace backstay::core
{

/// One source's part of a backup: open, lanes, finish, and settle exactly once whatever happens.
/// One thread at a time.
class SourceRun
{
public:
    /// `shared` must outlive it; `parent`: of this source, or null.
    SourceRun(BackupSource given, const BackupShared& shared, std::shared_ptr<SnapshotView> parent);
    ~SourceRun();
    SourceRun(const SourceRun&) = delete;
    SourceRun& operator=(const SourceRun&) = delete;

    const BackupSource& given() const { return given_; }
    const SnapshotSource& result() const { return result_; }

    /// Everything up to the verdict. An optional source's failure stays with it.
    void run(const std::stop_token& stop);

    void settle(bool committed);

private:
    void drain(const std::stop_token& stop);
    void take_verdict(const SourceVerdict& verdict);

    BackupSource given_;
    const BackupShared& shared_;
    std::shared_ptr<SnapshotView> parent_;
    LinkedContents linked_;
    SnapshotSource result_;
    bool open_ = false;
};

/// Throws Error{invalid} if a source waits for one that is not there, or for itself.
void check_order(const std::vector<BackupSource>& sources);

/// Side by side, but for those that wait for another.
void run_sources(std::vector<std::unique_ptr<SourceRun>>& runs, const std::stop_token& stop);

} // namespace backstay::core
