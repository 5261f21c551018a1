#include "source/tree_filter.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/file_flags.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

namespace backstay::core
{

namespace
{

// https://bford.info/cachedir/
constexpr const char* cache_tag = "CACHEDIR.TAG";
constexpr const char* cache_header = "Signature: 8a477f597d28d172789f06886806bc55";

/// A pattern with a '/' inside but none in front is meant for anywhere in the tree, as the names on
/// a command line are: gitignore's own anchor would be the file system's root.
std::string anywhere(const std::string& pattern)
{
    if (pattern.starts_with('#')) {
        return pattern;
    }
    const std::size_t begin = pattern.starts_with('!') ? 1 : 0;
    const std::string_view body = std::string_view(pattern).substr(begin);
    const std::size_t slash = body.find('/');
    const bool inside = slash != std::string_view::npos && slash != 0 && slash + 1 < body.size();
    return inside && !body.starts_with("**/") ? pattern.substr(0, begin) + "**/" + std::string(body)
                                              : pattern;
}

} // namespace

FolderMarker folder_marker(const std::string& text)
{
    const std::size_t colon = text.find(':');
    FolderMarker marker{text.substr(0, colon), ""};
    if (!is_entry_name(marker.name)) {
        throw Error(ErrorCode::invalid,
                    fmt::format("what marks a folder is the name of a file, without '/', and not "
                                "empty: '{}' is none",
                                text),
                    text);
    }
    if (colon != std::string::npos) {
        marker.header = text.substr(colon + 1);
    }
    return marker;
}

TreeFilter::TreeFilter(const TreeSourceOptions& options)
    : nodump_(options.exclude_nodump), larger_than_(options.exclude_larger_than)
{
    for (const std::string& pattern : options.excludes) {
        patterns_.add(anywhere(pattern));
    }
    for (const std::string& pattern : options.excludes_ignoring_case) {
        patterns_.add(anywhere(pattern), PathPatterns::Case::ignored);
    }
    for (const std::string& marker : options.exclude_if_present) {
        markers_.push_back(folder_marker(marker));
    }
    if (options.exclude_caches) {
        markers_.push_back({cache_tag, cache_header});
    }
}

bool TreeFilter::leaves_out(const std::string& path, const FileStatus& status) const
{
    if (nodump_ && (status.file_flags & nodump_flag) != 0) {
        return true;
    }
    if (larger_than_ != 0 && status.kind == EntryKind::file && status.size > larger_than_) {
        return true;
    }
    return patterns_.match(path, status.kind == EntryKind::directory) ==
           PathPatterns::Match::excluded;
}

bool TreeFilter::has_marker(int folder, const FolderMarker& marker) const
{
    FileStatus status;
    const bool there = read_status(folder, marker.name, status) == 0;
    if (!there || marker.header.empty()) {
        return there;
    }
    if (status.kind != EntryKind::file) {
        return false;
    }
    const FileDescriptor file(::openat(folder, marker.name.c_str(),
                                       O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW));
    std::string start(marker.header.size(), '\0');
    return file &&
           ::read(file.get(), start.data(), start.size()) == static_cast<ssize_t>(start.size()) &&
           start == marker.header;
}

const std::string* TreeFilter::only_kept_name(int folder) const
{
    for (const FolderMarker& marker : markers_) {
        if (has_marker(folder, marker)) {
            return &marker.name;
        }
    }
    return nullptr;
}

} // namespace backstay::core
