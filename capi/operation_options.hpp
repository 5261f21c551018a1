#pragma once

#include "engine/backup.hpp"
#include "engine/check.hpp"
#include "engine/forget.hpp"
#include "engine/listing.hpp"
#include "engine/log_fetch.hpp"
#include "engine/log_push.hpp"
#include "engine/log_receiver.hpp"
#include "engine/options.hpp"
#include "engine/prune.hpp"
#include "engine/restore.hpp"

#include <string>
#include <vector>

namespace backstay::capi
{

/// Options of a scope as what the engine takes. Throw Error{invalid}.
core::SnapshotFilter
filter_of(const core::OptionSet& set); ///< filter, snapshots, find, stats, forget
core::SnapshotChange change_of(const core::OptionSet& set, const core::Snapshot& snapshot);
core::BackupOptions backup_options(const core::OptionSet& set);
core::RestoreOptions restore_options(const core::OptionSet& set);
core::SnapshotsOptions snapshots_options(const core::OptionSet& set);
core::FindOptions find_options(const core::OptionSet& set);
core::CheckOptions check_options(const core::OptionSet& set);
core::PruneOptions prune_options(const core::OptionSet& set);
core::ForgetOptions forget_options(const core::OptionSet& set);
core::LogPushOptions wal_push_options(const core::OptionSet& set);
core::LogFetchOptions wal_fetch_options(const core::OptionSet& set);
core::LogReceiveOptions wal_receive_options(const core::OptionSet& set);

} // namespace backstay::capi
