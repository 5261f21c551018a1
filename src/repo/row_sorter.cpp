#include "repo/row_sorter.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <queue>
#include <type_traits>

namespace backstay::core
{

namespace
{

constexpr const char* subject = "the sorted index's temporary file";
constexpr std::size_t least_pending = 1024;
constexpr std::size_t rows_read_at_once = 512;
constexpr std::size_t most_stretches = 1024; ///< that are merged; beyond that rows are sorted

static_assert(
    std::is_trivially_copyable_v<IndexRow>); // rows go to files as they are, and come back

} // namespace

/// Gives a run's rows in order.
class RowSorter::RunReader
{
public:
    RunReader(int file, Run run) : file_(file), run_(run) {}

    /// The next row, or null.
    const IndexRow* next()
    {
        if (at_ == rows_.size() && !read_more()) {
            return nullptr;
        }
        return &rows_[at_++];
    }

private:
    bool read_more()
    {
        const std::uint64_t count =
            std::min<std::uint64_t>(rows_read_at_once, run_.end - run_.begin);
        rows_.resize(count);
        at_ = 0;
        const MutableByteSpan bytes(reinterpret_cast<std::uint8_t*>(rows_.data()),
                                    count * sizeof(IndexRow));
        if (read_at(file_, run_.begin * sizeof(IndexRow), bytes, subject) != bytes.size()) {
            throw Error(ErrorCode::storage, "is shorter than what was written to it", subject);
        }
        run_.begin += count;
        return count > 0;
    }

    int file_;
    Run run_;
    std::vector<IndexRow> rows_;
    std::size_t at_ = 0;
};

RowSorter::RowSorter(std::size_t memory, std::string temporary_folder)
    : most_pending_(std::max(memory / sizeof(IndexRow), least_pending)),
      temporary_folder_(std::move(temporary_folder))
{
}

void RowSorter::add(const IndexRow& row)
{
    if (pending_.size() == most_pending_) {
        spill();
    }
    pending_.push_back(row);
    ++added_;
}

/// Rows come in ascending stretches, a segment's after another's: merging those compares less than
/// sorting anew.
void RowSorter::sort_pending()
{
    std::vector<std::vector<IndexRow>::iterator> ends{pending_.begin()};
    while (ends.back() != pending_.end()) {
        ends.push_back(std::is_sorted_until(ends.back(), pending_.end()));
    }
    if (ends.size() > most_stretches) {
        std::sort(pending_.begin(), pending_.end());
        return;
    }
    for (std::size_t step = 1; step + 1 < ends.size(); step *= 2) {
        for (std::size_t at = 0; at + step < ends.size() - 1; at += 2 * step) {
            std::inplace_merge(ends[at], ends[at + step],
                               ends[std::min(at + 2 * step, ends.size() - 1)]);
        }
    }
}

void RowSorter::spill()
{
    sort_pending();
    if (!file_) {
        file_ = open_unnamed_file(temporary_folder_);
    }
    const std::uint64_t begin = runs_.empty() ? 0 : runs_.back().end;
    write_at(file_.get(), begin * sizeof(IndexRow),
             {reinterpret_cast<const std::uint8_t*>(pending_.data()),
              pending_.size() * sizeof(IndexRow)},
             subject);
    runs_.push_back({begin, begin + pending_.size()});
    pending_.clear();
}

void RowSorter::drain(const std::function<void(const IndexRow&)>& each)
{
    IndexRow last;
    bool first = true;
    const auto give = [&](const IndexRow& row) {
        if (first || row != last) {
            each(row);
        }
        last = row;
        first = false;
    };
    if (runs_.empty()) {
        sort_pending();
        std::for_each(pending_.begin(), pending_.end(), give);
    } else {
        spill();
        pending_ = {}; // the merge needs the memory
        std::vector<RunReader> readers;
        for (const Run& run : runs_) {
            readers.emplace_back(file_.get(), run);
        }
        struct Head {
            const IndexRow* row;
            RunReader* from;
        };
        const auto later = [](const Head& a, const Head& b) { return *b.row < *a.row; };
        std::priority_queue<Head, std::vector<Head>, decltype(later)> heads(later);
        for (RunReader& reader : readers) {
            if (const IndexRow* row = reader.next()) {
                heads.push({row, &reader});
            }
        }
        while (!heads.empty()) {
            const Head head = heads.top();
            heads.pop();
            give(*head.row);
            if (const IndexRow* row = head.from->next()) {
                heads.push({row, head.from});
            }
        }
    }
    pending_ = {};
    runs_.clear();
    file_ = {};
    added_ = 0;
}

} // namespace backstay::core
