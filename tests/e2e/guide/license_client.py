# Python完整客户端示例(含错误处理、重试、签名)
import requests
import time
import hashlib
import hmac
from typing import Dict, Optional

class LicenseClient:
    def __init__(self, server_url: str, api_key: str):
        self.server_url = server_url.rstrip('/')
        self.api_key = api_key
        self.session = requests.Session()
        self.session.headers.update({
            'X-API-Key': self.api_key,
            'Content-Type': 'application/json'
        })

    def _sign_request(self, data: Dict) -> str:
        """生成请求签名"""
        sorted_data = sorted(data.items())
        sign_string = '&'.join([f'{k}={v}' for k, v in sorted_data])
        signature = hmac.new(
            self.api_key.encode(),
            sign_string.encode(),
            hashlib.sha256
        ).hexdigest()
        return signature

    def _request(self, method: str, endpoint: str, data: Optional[Dict] = None, retries: int = 3) -> Dict:
        """通用请求方法(含重试逻辑)"""
        url = f"{self.server_url}{endpoint}"

        for attempt in range(retries):
            try:
                response = self.session.request(
                    method=method,
                    url=url,
                    json=data,
                    timeout=(5, 30)  # 连接超时5秒,读取超时30秒
                )
                response.raise_for_status()
                return response.json()
            except requests.exceptions.Timeout:
                if attempt == retries - 1:
                    raise Exception("Request timeout after retries")
                time.sleep(2 ** attempt)  # 指数退避
            except requests.exceptions.HTTPError as e:
                if e.response.status_code == 401:
                    raise Exception("Authentication failed")
                elif e.response.status_code == 429:
                    # 速率限制,等待后重试
                    retry_after = int(e.response.headers.get('Retry-After', 60))
                    time.sleep(retry_after)
                else:
                    raise

    def activate_license(self, license_key: str, client_id: str, hw_fingerprint: str) -> Dict:
        """激活License"""
        data = {
            'license_key': license_key,
            'client_id': client_id,
            'hardware_fingerprint': hw_fingerprint,
            'client_version': '2.3.1',
            'timestamp': int(time.time())
        }
        data['signature'] = self._sign_request(data)
        return self._request('POST', '/api/v1/licenses/activate', data)

    def validate_license(self, license_id: str) -> Dict:
        """验证License"""
        return self._request('POST', '/api/v1/licenses/validate', {
            'license_id': license_id,
            'timestamp': int(time.time())
        })
