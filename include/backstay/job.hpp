#pragma once

#include <backstay/engine.hpp>

#include <functional>
#include <memory>
#include <optional>

namespace backstay
{

/// Something that was started and gives records. One thread at a time, but for progress() and
/// descriptor(). The destructor cancels and waits.
class Job
{
public:
    explicit Job(backstay_job* job) : job_(job) {}

    /// The next record; empty when the time is over or at the end (see ended()). timeout_ns < 0:
    /// for ever.
    std::optional<Record> next(std::int64_t timeout_ns = -1)
    {
        backstay_record* record = nullptr;
        detail::Failure failure;
        const backstay_status status = detail::check(
            backstay_job_next(job_.get(), timeout_ns, &record, failure.out()), failure);
        ended_ = status == BACKSTAY_DONE;
        return status == BACKSTAY_OK ? std::optional<Record>(Record(record)) : std::nullopt;
    }
    bool ended() const { return ended_; }

    /// Reads all that is left, giving each record to `each`, waits, and returns the summary, which
    /// is borrowed from the job. Throws Error if the job failed.
    Record finish(const std::function<void(const Record&)>& each = {})
    {
        while (!ended_) {
            const std::optional<Record> record = next();
            if (record && each) {
                each(*record);
            }
        }
        detail::Failure failure;
        detail::check(backstay_job_wait(job_.get(), -1, failure.out()), failure);
        return summary();
    }

    /// Empty before the end; borrowed from the job.
    Record summary() const { return Record(backstay_job_summary(job_.get())); }

    Record progress() const
    {
        backstay_record* record = nullptr;
        detail::Failure failure;
        detail::check(backstay_job_progress(job_.get(), &record, failure.out()), failure);
        return Record(record);
    }
    /// Readable when a record or the end waits.
    int descriptor() const { return backstay_job_descriptor(job_.get()); }

private:
    struct Free {
        void operator()(backstay_job* job) const noexcept { backstay_job_free(job); }
    };
    std::unique_ptr<backstay_job, Free> job_;
    bool ended_ = false;
};

namespace detail
{

/// Starts a job: `start` is a call of the C ABI with its last two arguments open.
template <typename Start>
Job start_job(Start&& start)
{
    backstay_job* job = nullptr;
    Failure failure;
    check(start(&job, failure.out()), failure);
    return Job(job);
}

} // namespace detail
} // namespace backstay
