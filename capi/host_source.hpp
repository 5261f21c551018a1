#pragma once

#include "handles.hpp"

#include <memory>

namespace backstay::capi
{

/// A host's table of functions as a data source. Calls destroy(self) in its destructor.
std::shared_ptr<core::DataSource> make_host_source(const backstay_source_vtable& vtable,
                                                   void* self);

} // namespace backstay::capi

/// What a callback is given: where its failure, its problems and its look-ups go. Lives as long as
/// the call.
struct backstay_callback {
    std::stop_token stop;
    int cancel_descriptor = -1;
    const backstay::core::ProblemSink* problems = nullptr;
    backstay::core::SnapshotView* parent = nullptr;
    // What callback_fail said.
    backstay_status failed = BACKSTAY_OK;
    std::string message;
    uint64_t host_tag = 0;
    // What parent_lookup lent.
    backstay::core::Entry looked_up;
    std::vector<backstay_xattr> xattrs;
};
