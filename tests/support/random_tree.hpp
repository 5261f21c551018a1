#pragma once

#include "support/fake_view.hpp"
#include "support/tree_listing.hpp"

#include <map>
#include <random>
#include <string>
#include <unistd.h>
#include <vector>

namespace backstay::core
{

/// A tree from a seed with every kind of entry and name that a Linux file system takes: names that
/// are not UTF-8, with newlines, of 255 bytes; holes, hard links, xattrs, times before 1970. As
/// root also devices and other owners.
class RandomTree
{
public:
    struct Made {
        Entry entry;
        std::vector<FakeView::Piece> pieces;
        std::string bytes;
    };

    enum class Times { any, since_1970 };

    RandomTree(std::uint64_t seed, std::size_t entries, Times times = Times::any)
        : random_(seed), first_second_(times == Times::any ? -1'000'000'000 : 0)
    {
        folders_.emplace_back("");
        while (made_.size() < entries) {
            add();
        }
    }

    void fill(FakeView& view) const
    {
        for (const auto& [path, made] : made_) {
            if (made.entry.kind == EntryKind::file) {
                view.add_sparse(made.entry, made.bytes.size(), made.pieces);
            } else {
                view.add(made.entry);
            }
        }
    }

    TreeListing expected() const
    {
        TreeListing lines;
        std::map<LinkIdentity, std::vector<std::string>> groups;
        visit_sorted("", [&](const Made& made) {
            if (made.entry.link) {
                groups[*made.entry.link].push_back(made.entry.path);
            }
        });
        for (const auto& [path, made] : made_) {
            std::string linked;
            if (made.entry.link && groups[*made.entry.link].size() > 1) {
                linked = groups[*made.entry.link].front();
            }
            lines[path] = expected_line(made.entry, made.bytes, linked);
        }
        return lines;
    }

    const std::map<std::string, Made>& made() const { return made_; }

private:
    std::uint64_t pick(std::uint64_t below) { return random_() % below; }

    std::string name()
    {
        switch (pick(8)) {
        case 0:
            return "with blank " + std::to_string(pick(1000));
        case 1:
            return "new\nline" + std::to_string(pick(1000));
        case 2:
            return "latin-\xe9\xff-" + std::to_string(pick(1000));
        case 3:
            return std::string(250, 'l') + std::to_string(10000 + pick(90000));
        case 4:
            return "-" + std::to_string(pick(1000));
        case 5:
            return "\xc3\xbcmlaut" + std::to_string(pick(1000));
        default:
            return "name" + std::to_string(pick(1000)) + (pick(2) != 0 ? ".txt" : "");
        }
    }

    std::string bytes(std::size_t size)
    {
        std::string text(size, '\0');
        for (char& byte : text) {
            byte = static_cast<char>(random_());
        }
        return text;
    }

    void set_attributes(Entry& entry)
    {
        constexpr std::uint32_t modes[] = {0644, 0600, 0755, 0444, 0, 0700, 0666, 04755, 02750};
        entry.mode = modes[pick(entry.kind == EntryKind::directory && geteuid() != 0 ? 3 : 9)];
        if (geteuid() != 0) {
            entry.mode = *entry.mode | 0400U; // for whoever compares it
        }
        if (entry.kind == EntryKind::directory) {
            entry.mode = *entry.mode | 0500U;
        }
        entry.user_id = geteuid();
        entry.group_id = getegid();
        if (geteuid() == 0 && pick(2) != 0) {
            entry.user_id = static_cast<std::uint32_t>(pick(70000));
            entry.group_id = static_cast<std::uint32_t>(pick(70000));
        }
        entry.modified = Timestamp{static_cast<std::int64_t>(pick(3'000'000'000)) + first_second_,
                                   static_cast<std::uint32_t>(pick(1'000'000'000))};
        const bool takes_user_xattrs =
            entry.kind == EntryKind::file || entry.kind == EntryKind::directory;
        if (takes_user_xattrs && pick(4) == 0) {
            const std::string value = bytes(pick(200));
            entry.xattrs.push_back({"user.random", Bytes(value.begin(), value.end())});
        }
        if (entry.kind == EntryKind::symlink) {
            entry.mode = 0777;
        }
    }

    void add_content(Made& made)
    {
        std::uint64_t at = 0;
        const std::uint64_t pieces = pick(4);
        for (std::uint64_t piece = 0; piece < pieces; ++piece) {
            at += pick(3) == 0 ? 4096 * (1 + pick(20)) : 0;
            const std::string data = bytes(1 + pick(pick(3) == 0 ? 100'000 : 300));
            made.pieces.push_back({at, data});
            at += data.size();
        }
        at += pick(5) == 0 ? pick(100'000) : 0;
        made.bytes.assign(at, '\0');
        for (const auto& piece : made.pieces) {
            made.bytes.replace(piece.offset, piece.bytes.size(), piece.bytes);
        }
        made.entry.size = at;
    }

    void add()
    {
        const std::string folder = folders_[pick(folders_.size())];
        const std::string path = folder.empty() ? name() : folder + "/" + name();
        if (made_.count(path) != 0) {
            return;
        }
        Made made;
        made.entry.path = path;
        const std::uint64_t kind = pick(20);
        if (kind < 4) {
            made.entry.kind = EntryKind::directory;
            folders_.push_back(path);
        } else if (kind < 6) {
            made.entry.kind = EntryKind::symlink;
            made.entry.link_target = pick(2) != 0 ? "../somewhere/else" : "\xff\n";
        } else if (kind == 6) {
            made.entry.kind = EntryKind::fifo;
        } else if (kind == 7) {
            made.entry.kind = EntryKind::socket;
        } else if (kind == 8 && geteuid() == 0) {
            made.entry.kind = pick(2) != 0 ? EntryKind::block_device : EntryKind::character_device;
            made.entry.device = pick(200) << 32U | pick(1000);
        } else if (kind < 11 && !linkable_.empty()) {
            made = made_.at(linkable_[pick(linkable_.size())]);
            made.entry.path = path;
            const std::uint64_t inode = made.entry.link ? made.entry.link->inode : ++inodes_;
            made.entry.link = LinkIdentity{7, inode};
            made_.at(linked_from(made, path)).entry.link = made.entry.link;
            made_.emplace(path, made);
            return;
        } else {
            made.entry.kind = EntryKind::file;
            add_content(made);
        }
        set_attributes(made.entry);
        if (made.entry.kind != EntryKind::directory) {
            linkable_.push_back(path);
        }
        made_.emplace(path, std::move(made));
    }

    /// The path of the entry that was copied.
    std::string linked_from(const Made& copy, const std::string& except) const
    {
        for (const std::string& path : linkable_) {
            const Made& made = made_.at(path);
            if (path != except && made.bytes == copy.bytes &&
                made.entry.modified == copy.entry.modified && made.entry.kind == copy.entry.kind) {
                return path;
            }
        }
        throw std::logic_error("a link to nothing");
    }

    template <typename Visit>
    void visit_sorted(const std::string& folder, Visit visit) const
    {
        const std::string prefix = folder.empty() ? "" : folder + "/";
        for (auto at = made_.lower_bound(prefix); at != made_.end(); ++at) {
            const std::string& path = at->first;
            if (path.compare(0, prefix.size(), prefix) != 0) {
                break;
            }
            if (path.find('/', prefix.size()) == std::string::npos) {
                visit(at->second);
                if (at->second.entry.kind == EntryKind::directory) {
                    visit_sorted(path, visit);
                }
            }
        }
    }

    std::mt19937_64 random_;
    const std::int64_t first_second_;
    std::vector<std::string> folders_;
    std::vector<std::string> linkable_;
    std::uint64_t inodes_ = 0;
    std::map<std::string, Made> made_;
};

} // namespace backstay::core
