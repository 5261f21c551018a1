#pragma once

#include "format/entry.hpp"
#include "target/attributes.hpp"
#include "target/folder.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace backstay::core
{

/// A name in a folder of the target.
struct TargetPlace {
    std::shared_ptr<Folder> folder;
    std::string name;
    std::string path() const { return folder->path_of(name); }
};

/// A name that is to become another one of something made already.
struct LinkWish {
    TargetPlace place;
    Attributes wanted;
    std::uint64_t size = 0;
};

/// Which names are one file: the first is made, the others wait for it. Thread-safe.
class LinkGroups
{
public:
    enum class Role {
        first,   ///< make it, then say made() or failed()
        waiting, ///< taken; made() or failed() gives it back
        another, ///< link it to `made_as`
    };
    struct Joined {
        Role role = Role::first;
        TargetPlace made_as;
    };
    Joined join(const LinkIdentity& identity, const LinkWish& wish);

    /// The first name is in its place: those that wait for it.
    std::vector<LinkWish> made(const LinkIdentity& identity, TargetPlace place);
    /// The first name will not be made; the next to join() is first. Those that wait for it.
    std::vector<LinkWish> failed(const LinkIdentity& identity);

private:
    struct Group {
        TargetPlace made_as; ///< no folder: not yet
        std::vector<LinkWish> waiting;
    };
    std::mutex mutex_;
    std::map<LinkIdentity, Group> groups_; // guarded by mutex_
};

} // namespace backstay::core
