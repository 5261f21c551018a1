#include "store/aws_credentials.hpp"

#include "base/secret.hpp"

namespace backstay::core
{

namespace
{

void wipe_text(std::string& text)
{
    wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
}

} // namespace

AwsCredentials::~AwsCredentials()
{
    wipe_text(secret_key);
    wipe_text(session_token);
}

} // namespace backstay::core
