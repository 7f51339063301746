# 1. 使用curl测试API连通性
curl -X POST https://license.example.com/api/v1/licenses/activate \
  -H "X-API-Key: your-api-key" \
  -H "Content-Type: application/json" \
  -d '{"license_key":"TEST-KEY-001","client_id":"test-client"}'
