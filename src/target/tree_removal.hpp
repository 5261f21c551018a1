#pragma once

#include <functional>
#include <stop_token>
#include <string>

namespace backstay::core
{

/// Where something could not be removed: its path, and why.
using RemovalFailure = std::function<void(const std::string& path, const std::string& message)>;

/// Whether something stays that would be removed; who answers tells it. Asked of `name` in
/// `folder`, an open descriptor, and with an empty `name` of all that is in `folder`. `path`: of
/// the thing.
using Spare = std::function<bool(int folder, const std::string& name, const std::string& path)>;

/// Removes `name` in `folder` and all below it, at any depth, with a bounded number of descriptors.
/// Follows no symlink and enters no other file system: what is mounted there stays, and is told.
/// `path` names the thing where something is told. Folders around what
/// `spare` keeps stay, too. Returns whether all of it is gone. Throws Error{cancelled}.
bool remove_tree(int folder, const std::string& name, const std::string& path,
                 const RemovalFailure& failed, const std::stop_token& stop,
                 const Spare& spare = {});

/// Whether `name` in `folder`, a folder itself, is where another file system (or another part of
/// one) is mounted.
bool is_mount_point(int folder, const std::string& name);

} // namespace backstay::core
