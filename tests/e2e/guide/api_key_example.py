# Python客户端示例
import requests

API_KEY = "your-api-key-here"
SERVER_URL = "https://license.example.com/api/v1"

headers = {
    "X-API-Key": API_KEY,
    "Content-Type": "application/json"
}

# 激活License
response = requests.post(
    f"{SERVER_URL}/activate",
    headers=headers,
    json={
        "license_key": "XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX",
        "client_id": "client-001",
        "hardware_fingerprint": "a1b2c3d4e5f6..."
    }
)

print(response.json())
