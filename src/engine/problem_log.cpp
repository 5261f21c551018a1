#include "engine/problem_log.hpp"

#include "format/encoding.hpp"
#include "repo/record_stream.hpp"

namespace backstay::core
{

namespace
{

constexpr std::size_t max_problems_kept = 100'000; ///< in the snapshot; all are told

} // namespace

void ProblemLog::add(const ProblemRecord& problem)
{
    {
        const std::lock_guard lock(mutex_);
        ++count_;
        if (records_.size() < max_problems_kept) {
            Bytes record;
            Encoder encoder(record);
            encode_problem(encoder, problem);
            records_.push_back(std::move(record));
        }
    }
    context_.problem(problem);
}

std::uint64_t ProblemLog::count() const
{
    const std::lock_guard lock(mutex_);
    return count_;
}

Content ProblemLog::store(BlobWriter::Lane& lane)
{
    const std::lock_guard lock(mutex_);
    RecordWriter writer(lane);
    for (const Bytes& record : records_) {
        writer.add(record);
    }
    return writer.finish();
}

} // namespace backstay::core
