#include "base/thread.hpp"

#include <csignal>
#include <memory>
#include <system_error>
#include <utility>

namespace backstay::core
{

namespace
{

/// What is not used of it takes no memory. Nothing of ours recurses by the depth of a tree; the
/// rest is for libraries (name services, TLS, compression) and for callbacks of a host.
constexpr std::size_t stack_size = 2 * 1024 * 1024;
constexpr std::size_t longest_name = 15;

using Body = std::function<void()>;

void* run(void* argument)
{
    const std::unique_ptr<Body> body(static_cast<Body*>(argument));
    (*body)();
    return nullptr;
}

class Attributes
{
public:
    Attributes()
    {
        ::pthread_attr_init(&attributes_);
        ::pthread_attr_setstacksize(&attributes_, stack_size);
    }
    ~Attributes() { ::pthread_attr_destroy(&attributes_); }
    Attributes(const Attributes&) = delete;
    Attributes& operator=(const Attributes&) = delete;
    const pthread_attr_t* get() const { return &attributes_; }

private:
    pthread_attr_t attributes_{};
};

} // namespace

Thread::Thread(const std::string& name, std::function<void()> body)
{
    auto argument = std::make_unique<Body>(std::move(body));
    const Attributes attributes;
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before); // inherited by the thread
    const int error = ::pthread_create(&thread_, attributes.get(), run, argument.get());
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error != 0) {
        throw std::system_error(error, std::generic_category(), "cannot start a thread");
    }
    static_cast<void>(argument.release()); // run() has it
    runs_ = true;
    ::pthread_setname_np(thread_, name.substr(0, longest_name).c_str());
}

Thread::~Thread()
{
    join();
}

Thread::Thread(Thread&& other) noexcept
    : thread_(other.thread_), runs_(std::exchange(other.runs_, false))
{
}

Thread& Thread::operator=(Thread&& other) noexcept
{
    join();
    thread_ = other.thread_;
    runs_ = std::exchange(other.runs_, false);
    return *this;
}

void Thread::join()
{
    if (std::exchange(runs_, false)) {
        ::pthread_join(thread_, nullptr);
    }
}

void Thread::detach()
{
    if (std::exchange(runs_, false)) {
        ::pthread_detach(thread_);
    }
}

} // namespace backstay::core
