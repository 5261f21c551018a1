#include "source/tree_walk.hpp"

#include "base/error.hpp"
#include "source/folder_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/core.h>
#include <system_error>

namespace backstay::core
{

namespace
{

/// Those that are there. The others are problems; if none is, there is nothing to save.
std::vector<std::string> existing(const std::vector<std::string>& roots, const TreeWalk& walk)
{
    std::vector<std::string> found;
    for (const std::string& root : roots) {
        const FileDescriptor there = open_path(root, O_PATH);
        if (there) {
            found.push_back(root);
        } else {
            walk.problem(errno, root, "cannot be saved");
        }
    }
    if (found.empty()) {
        throw Error(ErrorCode::not_found, "nothing of what is to be saved is there",
                    roots.empty() ? "" : roots.front());
    }
    return found;
}

/// Roots and the folders above them, each once, outermost first.
std::vector<std::string> seeds_of(const std::vector<std::string>& roots)
{
    std::vector<std::string> seeds;
    for (const std::string& root : roots) {
        for (std::size_t slash = root.find('/', 1); slash != std::string::npos;
             slash = root.find('/', slash + 1)) {
            seeds.push_back(root.substr(0, slash));
        }
        if (root != "/") {
            seeds.push_back(root);
        }
    }
    std::sort(seeds.begin(), seeds.end());
    seeds.erase(std::unique(seeds.begin(), seeds.end()), seeds.end());
    return seeds;
}

bool holds(const std::vector<std::string>& sorted, const std::string& path)
{
    return std::binary_search(sorted.begin(), sorted.end(), path);
}

} // namespace

TreeWalk::TreeWalk(const TreeSourceOptions& from, SnapshotView* view, ProblemSink sink,
                   std::stop_token token)
    : options(from), filter(from), parent(view), problems(std::move(sink)), stop(std::move(token)),
      folders(from.lanes), roots(existing(absolute_roots(from.roots), *this)),
      seeds(seeds_of(roots))
{
}

void TreeWalk::problem(int error, const std::string& path, const char* what) const
{
    problems({code_of_entry_error(error), path.substr(1),
              fmt::format("{}: {}", what, std::generic_category().message(error))});
}

bool TreeWalk::is_root(const std::string& path) const
{
    return holds(roots, path);
}

std::string TreeWalk::root_of(const std::string& path) const
{
    std::string root = path;
    while (root.size() > 1 && !is_root(root)) {
        root.erase(std::max<std::size_t>(1, root.rfind('/')));
    }
    return root;
}

bool TreeWalk::is_seed(const std::string& path) const
{
    return holds(seeds, path);
}

bool TreeWalk::any_seed_below(const std::string& folder) const
{
    const std::string prefix = folder == "/" ? folder : folder + "/";
    const auto at = std::lower_bound(seeds.begin(), seeds.end(), prefix);
    return at != seeds.end() && at->starts_with(prefix);
}

ErrorCode code_of_entry_error(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return ErrorCode::not_found;
    case EACCES:
    case EPERM:
        return ErrorCode::denied;
    default:
        return ErrorCode::source;
    }
}

} // namespace backstay::core
