#pragma once

#include "engine/job_context.hpp"
#include "store/object_store.hpp"

namespace backstay::core
{

/// Is this store fit to hold a repository? Tries on the very place what the engine relies on, with
/// objects of its own, selftest-*, which are removed at the end. Emits a "test" record each:
/// name, passed, message. Throws Error{storage} at the end if one failed that nothing can be done
/// about; a store without create-if-absent passes, and a message says what that costs. Summary:
/// tests, failed, exclusive_create, write_bytes_per_second, read_bytes_per_second.
Record run_store_selftest(ObjectStore& store, JobContext& context);

} // namespace backstay::core
