#include "engine/store_rights.hpp"

#include "base/error.hpp"

#include <fmt/core.h>

namespace backstay::core
{

void demand_right_to_collect(Repository& repository, bool alone, const char* operation,
                             const std::stop_token& stop)
{
    ObjectStore& store = repository.store();
    store.probe(stop);
    const StoreDescription description = store.describe(stop);
    if (!description.exclusive_create && !alone) {
        throw Error(ErrorCode::unsupported,
                    fmt::format("this store does not honour create-if-absent, so {} is safe only "
                                "while nobody else writes: say so with --alone",
                                operation),
                    description.uri);
    }
}

} // namespace backstay::core
