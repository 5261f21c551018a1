#pragma once

#include "store/s3_request_sender.hpp"

namespace backstay::core
{

/// Aborts multipart uploads and removes probes that clients who died left below the store's prefix
/// a week ago or earlier, and returns how many. What the user may not list or abort, or the server
/// does not know, stays.
std::size_t remove_s3_leftovers(S3RequestSender& sender, const std::stop_token& stop);

} // namespace backstay::core
