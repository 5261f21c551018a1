#include "target/directory_target_state.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/core.h>
#include <utility>

namespace backstay::core
{

bool DirectoryTarget::State::is_refused(std::string_view path) const
{
    return refused_ && path.size() > refused_->size() &&
           (refused_->empty() || path[refused_->size()] == '/') &&
           path.substr(0, refused_->size()) == *refused_;
}

/// Puts the folder that the entry lies in on top of the stack; false: it has to be left out.
bool DirectoryTarget::State::enter_parent(const Entry& entry)
{
    if (is_refused(entry.path)) {
        return false;
    }
    refused_.reset();
    if (options_.delete_extra) {
        if (!path_less(last_path_, entry.path)) {
            keeps_extras_ = "parts of the snapshot meet in one folder";
        }
        last_path_ = entry.path;
    }
    stack_.descend_to(entry.path);
    const SplitPath split = split_path(entry.path);
    // Bounds what a hostile snapshot can make us hold.
    if (path_depth(entry.path) > max_path_depth) {
        throw Error(ErrorCode::unsupported, "it lies too deep", entry.path);
    }
    if (stack_.top_path() != split.parent) {
        make_parents(split.parent);
    }
    FolderStack::Level& level = stack_.top();
    if (level.names_kept) {
        level.names.emplace_back(split.name);
    }
    return true;
}

/// Folders that the walk did not give: taken as they are, or made as mkdir(1) would.
void DirectoryTarget::State::make_parents(std::string_view path)
{
    while (stack_.top_path() != path) {
        const std::string_view above = stack_.top_path();
        const std::size_t begin = above.empty() ? 0 : above.size() + 1;
        const std::size_t end = std::min(path.find('/', begin), path.size());
        make_parent(std::string(path.substr(0, end)), std::string(path.substr(begin, end - begin)));
    }
}

void DirectoryTarget::State::make_parent(const std::string& path, const std::string& name)
{
    FolderStack::Level& level = stack_.top();
    if (level.names_kept) {
        level.names.push_back(name);
    }
    const std::shared_ptr<Folder> above = level.folder;
    const bool missing = options_.dry_run && (above->origin() == Folder::Origin::missing ||
                                              !stat_child(above->descriptor()->get(), name, path));
    auto folder =
        std::make_shared<Folder>(folder_descriptors_, above, name,
                                 missing ? Folder::Origin::missing : Folder::Origin::found);
    if (!missing) {
        if (!options_.dry_run && mkdirat(above->descriptor()->get(), name.c_str(), 0777) != 0 &&
            errno != EEXIST) {
            throw_system_error(errno, "cannot make its folder", path, ErrorCode::target);
        }
        const auto descriptor = folder->descriptor();
        const Inode inode(descriptor->get());
        folder->inherits = AttributeSetter::passes_on(inode);
        if (!options_.dry_run) {
            file_systems_.add(descriptor->get(), inode.status().st_dev);
        }
    }
    stack_.push(std::move(folder), path, false);
}

void DirectoryTarget::State::leave_level(const FolderStack::Level& level)
{
    if (!level.names_kept || ended_) {
        return;
    }
    guarded(level.folder->path(), [&] {
        std::vector<std::string> kept = level.names;
        std::sort(kept.begin(), kept.end());
        const auto descriptor = level.folder->descriptor();
        for (std::string& name : list_folder(descriptor->get(), level.folder->path())) {
            if (!std::binary_search(kept.begin(), kept.end(), name) && !names_.is_ours(name)) {
                extras_.push_back({level.folder, std::move(name)});
            }
        }
    });
}

void DirectoryTarget::State::leave_alone(const std::string& path)
{
    if (stack_.protect(path) || path.empty()) {
        return;
    }
    stack_.descend_to(path);
    FolderStack::Level& level = stack_.top();
    const std::string_view above = stack_.top_path();
    if (level.names_kept) {
        const std::size_t begin = above.empty() ? 0 : above.size() + 1;
        level.names.push_back(path.substr(begin, path.find('/', begin) - begin));
    }
}

DirectoryTarget::Begun DirectoryTarget::State::begin(const Entry& entry)
{
    if (ended_) {
        return {};
    }
    Begun begun;
    const bool done = guarded(entry.path, [&] {
        if (entry.path.empty()) {
            begin_root(entry);
            return;
        }
        if (!is_entry_path(entry.path) || entry.path.size() > max_path_size) {
            throw Error(ErrorCode::damaged,
                        "its name would lead out of the folder to restore to; it is left out",
                        entry.path);
        }
        if (!enter_parent(entry)) {
            return;
        }
        const TargetPlace place{stack_.top().folder, std::string(split_path(entry.path).name)};
        if (entry.kind == EntryKind::directory) {
            begin_folder(entry, place);
        } else if (options_.dry_run) {
            plan_entry(entry, place);
        } else if (is_file(entry.kind)) {
            begun = begin_file(entry, place);
        } else if (entry.kind == EntryKind::hard_link) {
            deferred_links_.push_back(entry);
        } else {
            begin_node(entry, place);
        }
    });
    if (!done) {
        refuse_below(entry.path);
    }
    return begun;
}

/// Empty: everything may go.
Spare DirectoryTarget::State::spare()
{
    if (!options_.why_spared) {
        return {};
    }
    return [this](int folder, const std::string& name, const std::string& path) {
        return is_spared(folder, name, path);
    };
}

bool DirectoryTarget::State::is_spared(int folder, const std::string& name, const std::string& path)
{
    std::string why = options_.why_spared ? options_.why_spared(folder, name, path) : std::string();
    const bool spared = !why.empty();
    if (spared) {
        tell(PlanStep::Kind::step, "skip", path, 0, std::move(why));
    }
    return spared;
}

void DirectoryTarget::State::remove_extras(const std::stop_token& stop)
{
    const std::vector<TargetPlace> extras = std::exchange(extras_, {});
    if (keeps_extras_ != nullptr) {
        if (!extras.empty()) {
            problem(ErrorCode::target, extras.front().path(),
                    fmt::format("nothing is removed, for {}", keeps_extras_));
        }
        return;
    }
    const auto failed = [&](const std::string& where, const std::string& why) {
        problem(ErrorCode::target, where, why);
    };
    std::shared_ptr<Folder> last_folder;
    bool all_spared = false;
    for (const TargetPlace& extra : extras) {
        const std::string path = extra.path();
        guarded(path, [&] {
            const auto folder = extra.folder->descriptor();
            if (last_folder != extra.folder) {
                last_folder = extra.folder;
                all_spared = is_spared(folder->get(), "", extra.folder->path());
            }
            if (all_spared) {
                return;
            }
            if (!options_.dry_run) {
                remove_tree(folder->get(), extra.name, path, failed, stop, spare());
            } else if (!is_spared(folder->get(), extra.name, path)) {
                tell(PlanStep::Kind::step, "remove", path);
            }
        });
    }
}

} // namespace backstay::core
