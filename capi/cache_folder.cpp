#include "handles.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"

#include <filesystem>

namespace backstay::capi
{

namespace fs = std::filesystem;

core::Record describe_cache(const std::string& folder, bool clean, const std::stop_token& stop)
{
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;
    std::error_code failure;
    for (fs::recursive_directory_iterator
             at(folder, fs::directory_options::skip_permission_denied, failure),
         end;
         !failure && at != end; at.increment(failure)) {
        core::throw_if_stopped(stop);
        if (at->is_regular_file(failure) && !failure) {
            ++files;
            bytes += at->file_size(failure);
        }
    }
    if (clean && !folder.empty()) {
        fs::remove_all(folder, failure);
        if (failure) {
            throw core::Error(core::ErrorCode::storage,
                              "cannot remove the cache: " + failure.message(), folder);
        }
    }
    core::Record record("cache");
    record.set("folder", core::RawText{folder})
        .set("files", files)
        .set("bytes", bytes)
        .set("cleaned", clean);
    return record;
}

} // namespace backstay::capi
