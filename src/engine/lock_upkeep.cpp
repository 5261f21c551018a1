#include "engine/lock_upkeep.hpp"

#include "base/error.hpp"

#include <fmt/core.h>

namespace backstay::core
{

namespace
{

std::vector<ObjectInfo> objects_that_stay(ObjectStore& store, const std::stop_token& stop)
{
    std::vector<ObjectInfo> objects;
    for (const char* prefix :
         {"config/", "gc/", "index/", "keyring/", "keys/", "notes/", "packs/", "snapshots/"}) {
        store.list(
            prefix, Freshness::fresh,
            [&objects](const ObjectInfo& object) { objects.push_back(object); }, stop);
    }
    return objects;
}

} // namespace

void keep_locks(Repository& repository, JobContext& context, LockUpkeep upkeep,
                const std::stop_token& stop)
{
    ObjectStore& store = repository.store();
    if (!store.describe(stop).locks_objects) {
        return;
    }
    const LockReport report = store.keep_locks(objects_that_stay(store, stop), upkeep, stop);
    if (report.renewed > 0) {
        context.emit(Record("notice").set(
            "message", fmt::format("the locks of {} objects were renewed", report.renewed)));
    }
    if (report.ending > 0) {
        context.emit(Record("notice").set(
            "message", fmt::format("the locks of {} objects end within half of their time, or "
                                   "there are none: prune renews them",
                                   report.ending)));
    }
    for (const RefusedRemoval& refused : report.refused) {
        context.problem({"", refused.key, static_cast<std::int32_t>(ErrorCode::denied),
                         fmt::format("its lock could not be renewed ({})", refused.reason)});
    }
}

} // namespace backstay::core
